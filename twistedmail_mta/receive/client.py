"""Who is at the other end of a session, as far as it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta import stages
from twistedmail_mta.history.story import Verdict, short
from twistedmail_mta.interfaces import ISubmitter

_MOST_VERDICTS: Final = 50
_OF_SESSION: Final = frozenset({"connected", "greeted", "logged_in"})
"""Stages whose answers hold for all mail of a session."""


@dataclass(slots=True)
class Client:
    """What a session has learnt about its client; STARTTLS makes it forget all but the host.

    It changes by its methods alone.

    Attributes:
        host: the client's address.
        session: names the session in the log.
        helo: what the client called itself.
        extended: it said EHLO, not HELO.
        submitter: the login, if there is one.
        mechanism: how it logged in; empty if it didn't.
        describe_tls: says version and cipher once the connection is encrypted.
        has_spoken: says whether octets have come that no command was read from yet.
        port: the client's.
        local_host: the address of ours that it reached.
        local_port: the port there.
        verdicts: what plugins answered about this session, and the mail under way.
    """

    host: str
    session: str
    helo: str = ""
    extended: bool = False
    submitter: ISubmitter | None = None
    mechanism: str = ""
    describe_tls: Callable[[], str] | None = None
    has_spoken: Callable[[], bool] = lambda: False
    port: int = 0
    local_host: str = ""
    local_port: int = 0
    verdicts: tuple[Verdict, ...] = ()
    _seen: stages.Client | None = field(default=None, init=False)
    _tls: str = field(default="", init=False)

    @property
    def encrypted(self) -> bool:
        """Whether the connection is protected by TLS."""
        return self.describe_tls is not None

    @property
    def tls(self) -> str:
        """Version and cipher of the connection; empty in clear."""
        if not self._tls and self.describe_tls is not None:
            self._tls = self.describe_tls()
        return self._tls

    @property
    def account(self) -> str | None:
        """The account that is logged in, or None."""
        return self.submitter.account if self.submitter is not None else None

    def as_seen(self, listener: str, role: str) -> stages.Client:
        """Return what plugins are told of it."""
        if self._seen is None:
            self._seen = self._as_seen(listener, role)
        return self._seen

    def _as_seen(self, listener: str, role: str) -> stages.Client:
        return stages.Client(
            session=self.session,
            listener=listener,
            role=role,
            host=self.host,
            helo=self.helo,
            extended=self.extended,
            tls=self.tls,
            account=self.account,
            mechanism=self.mechanism if self.submitter is not None else "",
            port=self.port,
            local_host=self.local_host,
            local_port=self.local_port,
            has_spoken=self.has_spoken,
        )

    def hear(self, plugin: str, stage: str, answer: str) -> None:
        """Note what a plugin answered."""
        if len(self.verdicts) < _MOST_VERDICTS:
            self.verdicts += (Verdict(plugin, stage, short(answer)),)

    def forget_mail(self) -> None:
        """Drop what was answered about mail that is over."""
        if self.verdicts:
            self.verdicts = tuple(each for each in self.verdicts if each.stage in _OF_SESSION)

    def greet(self, name: str, *, extended: bool) -> None:
        """Note what it calls itself, and whether it did so with EHLO."""
        self.helo, self.extended = name, extended
        self._seen = None

    def log_in(self, submitter: ISubmitter | None, mechanism: str) -> None:
        """Note who it is; None: nobody, after all."""
        self.submitter, self.mechanism = submitter, mechanism
        self._seen = None

    def encrypt(self, describe_tls: Callable[[], str]) -> None:
        """Note that the connection is encrypted from now on."""
        self.describe_tls = describe_tls
        self._seen, self._tls = None, ""

    def forget(self) -> None:
        """Drop what was said in clear, as RFC 3207 section 4.2 demands."""
        self.helo, self.extended, self.submitter = "", False, None
        self._seen = None

    def leave(self) -> None:
        """Note that the connection is gone: nothing can be asked of it any more."""
        self.describe_tls, self._tls = None, ""
