"""Counts what happens to mail, as the log tells it: one event, one fact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from twisted.logger import ILogObserver, LogEvent, LogLevel
from zope.interface import implementer

from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.catalogue import Reading, of_counts
from twistedmail_mta.observe.figures import OTHERS, Counts, Spreads
from twistedmail_mta.observe.labels import among, version_of

_RESULTS: Final = frozenset(
    {"pass", "fail", "softfail", "neutral", "none", "policy", "temperror", "permerror", "quarantine", "reject"}
)
_METHODS: Final = ("spf", "dkim", "dmarc", "arc")
_PROTOCOLS: Final = frozenset({"smtp", "lmtp", "pop3", "imap"})
_PROOFS: Final = frozenset({"DANE", "MTA-STS"})
_COMPLAINTS: Final = {LogLevel.warn: "warning", LogLevel.error: "error", LogLevel.critical: "critical"}
_OUTCOMES: Final = ("delivered", "deferred", "unconfirmed", "failed")


@implementer(ILogObserver)
class EventTally:
    """Hears all log events and counts those that metrics are about.

    So nothing on a message's path has to know of metrics, and what is counted
    is what can be read.  A number may be off by one where two threads log at once.
    """

    def __init__(self, provider_of: Callable[[str], str | None]) -> None:
        """Begin with nothing.

        Args:
            provider_of: returns whose MX host a name in lower case is, of a fixed table; None: of nobody there.
        """
        self._provider_of = provider_of
        self._accepted, self._filed, self._octets = Counts(), Counts(), Counts()
        self._refused, self._discarded = Counts(), Counts()
        self._acceptance = Spreads(catalogue.ACCEPTANCE.bounds)
        self._tls_failed, self._logins, self._verdicts = Counts(), Counts(), Counts()
        self._attempts, self._proofs, self._reports, self._untold = Counts(), Counts(), Counts(), Counts()
        self._delivery = Spreads(catalogue.DELIVERY.bounds)
        self._plugin_refusals, self._complaints = Counts(), Counts()
        self._heard: dict[object, Callable[[LogEvent], None]] = {
            "smtp.accepted": self._hear_accepted,
            "smtp.refused": self._hear_refused,
            "smtp.turned_away": self._hear_turned_away,
            "smtp.discarded": lambda _: self._discarded.add(()),
            "smtp.tls.failed": lambda _: self._tls_failed.add(("in",)),
            "pop3.tls.failed": lambda _: self._tls_failed.add(("in",)),
            "imap.tls.failed": lambda _: self._tls_failed.add(("in",)),
            "deliver.tls.failed": lambda _: self._tls_failed.add(("out",)),
            "auth.ok": lambda event: self._logins.add((among(_PROTOCOLS, event.get("protocol")), "ok")),
            "auth.failed": lambda event: self._logins.add((among(_PROTOCOLS, event.get("protocol")), "failed")),
            "authentication.found": lambda event: self._note_verdicts(event.get("tags") or {}),
            **{f"queue.{outcome}": self._hear_attempt for outcome in _OUTCOMES},
            "queue.reported": lambda event: self._reports.add((str(event.get("kind")),)),
            "queue.untold": lambda _: self._untold.add(()),
            "plugin.refused": self._hear_plugin_refusal,
        }

    def __call__(self, event: LogEvent) -> None:
        """Hear of an event; nothing that is wrong with it is told, for that would be one more."""
        hear = self._heard.get(event.get("event"))
        if hear is not None:
            hear(event)
        complaint = _COMPLAINTS.get(event.get("log_level"))
        if complaint is not None:
            self._complaints.add((complaint,))

    def readings(self) -> Iterator[Reading]:
        """Yield all that was counted."""
        counted = (
            (catalogue.ACCEPTED, self._accepted),
            (catalogue.FILED, self._filed),
            (catalogue.ACCEPTED_BYTES, self._octets),
            (catalogue.DISCARDED, self._discarded),
            (catalogue.REFUSED, self._refused),
            (catalogue.TLS_FAILED, self._tls_failed),
            (catalogue.LOGINS, self._logins),
            (catalogue.VERDICTS, self._verdicts),
            (catalogue.ATTEMPTS, self._attempts),
            (catalogue.DELIVERED_TLS, self._proofs),
            (catalogue.REPORTS, self._reports),
            (catalogue.UNTOLD, self._untold),
            (catalogue.PLUGIN_REFUSALS, self._plugin_refusals),
            (catalogue.COMPLAINTS, self._complaints),
        )
        yield from chain.from_iterable(of_counts(family, counts.items()) for family, counts in counted)
        for labels, spread in self._acceptance:
            yield catalogue.ACCEPTANCE, labels, spread
        for labels, spread in self._delivery:
            yield catalogue.DELIVERY, labels, spread

    def _hear_accepted(self, event: LogEvent) -> None:
        listener = str(event.get("listener"))
        self._accepted.add((listener, _version(event.get("tls"))))
        self._octets.add((listener,), event.get("size", 0))
        if mailboxes := event.get("mailboxes"):
            self._filed.add((listener,), len(mailboxes))
        self._acceptance.note((listener,), event.get("seconds", 0.0))
        if tags := event.get("tags"):
            self._note_verdicts(tags)

    def _hear_refused(self, event: LogEvent) -> None:
        self._refused.add((str(event.get("listener")), _command(event.get("command")), _code(event)))

    def _hear_turned_away(self, event: LogEvent) -> None:
        self._refused.add((str(event.get("listener")), "connect", _code(event)))

    def _hear_plugin_refusal(self, event: LogEvent) -> None:
        self._plugin_refusals.add((str(event.get("plugin")), str(event.get("stage"))))

    def _note_verdicts(self, tags: Mapping[str, Any]) -> None:
        for method in _METHODS:
            value = tags.get(f"auth.{method}")
            if isinstance(value, str):
                self._verdicts.add((method, among(_RESULTS, value.partition(" ")[0])))

    def _hear_attempt(self, event: LogEvent) -> None:
        outcome, remote = str(event.get("outcome")), str(event.get("remote") or "").partition(" ")[0].lower()
        delivered = outcome == "delivered"
        self._attempts.add((self._provider(remote, delivered=delivered), outcome))
        if delivered:
            self._delivery.note(("remote" if remote else "here",), event.get("seconds", 0.0))
            if remote:
                self._proofs.add((_proof(event),))

    def _provider(self, remote: str, *, delivered: bool) -> str:
        if not remote:
            return "here" if delivered else "none"
        return self._provider_of(remote) or OTHERS


def _version(tls: object) -> str:
    return version_of(tls) if isinstance(tls, str) else "none"


def _command(said: object) -> str:
    """Return the verb of a command, which is this program's word for it; "message" is what is refused at its end."""
    verb = str(said).partition(" ")[0]
    return "message" if verb == "the" else verb


def _code(event: LogEvent) -> str:
    code = str(event.get("code"))[:1]
    return f"{code}xx" if code in {"4", "5"} else OTHERS


def _proof(event: LogEvent) -> str:
    if not event.get("tls"):
        return "clear"
    proof = event.get("proof")
    return "none" if not proof else among(_PROOFS, proof)
