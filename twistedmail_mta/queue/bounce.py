"""Reports to senders: decides who is told what, and makes the message that tells them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.dsn import MAX_RETURNED, Notification, RecipientStatus, compose
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Deferred,
    Envelope,
    Failed,
    FailedRecipient,
    InlineBody,
    Message,
    Notify,
    Origin,
    Recipient,
    Report,
    Settlement,
    Unconfirmed,
    id_text,
)
from twistedmail_mta.queue.schedule import RetrySchedule
from twistedmail_mta.queue.texts import ENGLISH, Texts, Wording

LOCAL = "local"
"""`Origin.protocol` of what this host writes itself."""

_EXPIRED = "5.4.7"
_MAX_LISTED = 100
_MAX_SUBJECT = 200
_SPACE = re.compile(r"[\x00-\x20\x7f]+")


@dataclass(frozen=True, slots=True)
class Reports:
    """Composes bounces and delay warnings.

    Attributes:
        host: this host's name.
        admin: who is told of failures that a stranger's mail met; None for nobody.
        new_id: makes message ids.
        offset: local time minus UTC, in seconds, at a time in seconds since the epoch.
        schedule: when recipients are given up.
        texts: the language.
    """

    host: str
    admin: Address | None
    new_id: Callable[[], int]
    offset: Callable[[float], int]
    schedule: RetrySchedule
    texts: Texts = ENGLISH

    def failure(self, message: Message, failed: Sequence[FailedRecipient], now: float) -> Report:
        """Return the report of recipients that failed for good.

        Senders who logged in are told.  Strangers are not, since their
        addresses may be forged: the administrator is.  Nobody is told of mail
        with a null sender (RFC 5321 section 6.1), nor of recipients for which
        no report is wanted (RFC 3461 section 4.1).
        """
        indexes = frozenset(each.index for each in failed)
        told = self._told(message)
        wanted = [each for each in failed if _wants(each.recipient, "FAILURE", unasked=True)]
        if told is None or not wanted:
            return Report(message.id, indexes, None)
        wording = self.texts.failure if _is_trusted(message) else self.texts.admin
        statuses = [_failed_status(each) for each in wanted]
        return Report(message.id, indexes, self._report(message, told, wording, statuses, now))

    def delay(self, message: Message, deferred: Sequence[Settlement], now: float) -> Report | None:
        """Return the delay warning that is due for recipients just deferred, or None.

        Only senders who logged in are warned.  The recipients it names are
        those for which `warns` says yes.
        """
        late = [each for each in deferred if self.warns(message, each)]
        if not late:
            return None
        lifetime = self.schedule.lifetime_of(is_report=False)
        statuses = [_delayed_status(each, now + lifetime - each.claim.age) for each in late]
        warning = self._report(message, message.envelope.sender, self.texts.delay, statuses, now)
        return Report(message.id, frozenset(), warning)

    def warns(self, message: Message, settlement: Settlement) -> bool:
        """Return whether a recipient just deferred is to be in a delay warning."""
        claim = settlement.claim
        return (
            settlement.due is not None
            and claim.warnings < self.schedule.warnings_due(claim.age)
            and message.origin.account is not None
            and not message.envelope.sender.is_null
            and _wants(claim.recipient, "DELAY", unasked=True)
        )

    def _told(self, message: Message) -> Address | None:
        if message.envelope.sender.is_null:
            return None
        return message.envelope.sender if _is_trusted(message) else self.admin

    def _report(
        self, message: Message, told: Address, wording: Wording, statuses: Sequence[RecipientStatus], now: float
    ) -> Message:
        new_id = self.new_id()
        header, body = compose(
            Notification(
                to=told,
                host=self.host,
                message_id=id_text(new_id),
                subject=wording.subject,
                text=self._text(message, wording, statuses),
                at=now,
                offset=self.offset(now),
                queue_id=id_text(message.id),
                header=message.header,
                arrived_at=message.received_at,
                recipients=tuple(statuses),
                helo=message.origin.helo,
                envid=message.envelope.envid,
            )
        )
        envelope = Envelope(NULL_PATH, (Recipient(told),), smtputf8=not header.isascii())
        return Message(new_id, envelope, header, InlineBody(body), Origin(LOCAL), now)

    def _text(self, message: Message, wording: Wording, statuses: Sequence[RecipientStatus]) -> str:
        paragraphs = [
            self.texts.greeting.format(host=self.host),
            wording.opening.format(mail=self._mail(message), sender=f"<{message.envelope.sender}>"),
            *(self._of_recipient(each) for each in statuses[:_MAX_LISTED]),
            *(["    ..."] if len(statuses) > _MAX_LISTED else []),
            wording.ending,
        ]
        return "\n\n".join(paragraphs) + "\n"

    def _mail(self, message: Message) -> str:
        date = date_text(message.received_at, self.offset(message.received_at))
        subject = _readable_subject(message.header)
        return (self.texts.mail_with_subject if subject else self.texts.mail).format(date=date, subject=subject)

    def _of_recipient(self, each: RecipientStatus) -> str:
        texts = self.texts
        _, _, reply = each.diagnostic.partition("; ")
        lines = [f"<{each.recipient}>"]
        lines += _indented(texts.advice_for(each.status))
        said = texts.answer if each.diagnostic.startswith("smtp;") else texts.found
        lines += _indented(said.format(remote=each.remote, reply=reply))
        if each.retry_until is not None:
            lines += _indented(texts.retried.format(date=date_text(each.retry_until, self.offset(each.retry_until))))
        return "\n".join(lines)


def _is_trusted(message: Message) -> bool:
    """Return whether the sender's address is its own: that of a login, or ours."""
    return message.origin.account is not None or message.origin.protocol == LOCAL


def _wants(recipient: Recipient, kind: Notify, *, unasked: bool) -> bool:
    return unasked if recipient.notify is None else kind in recipient.notify


def _failed_status(each: FailedRecipient) -> RecipientStatus:
    return _status(each.recipient, each.outcome, each.failed_at, "5.0.0")


def _delayed_status(each: Settlement, retry_until: float) -> RecipientStatus:
    outcome = each.outcome
    if not isinstance(outcome, Deferred | Unconfirmed):
        raise TypeError(f"only what is deferred is delayed, not {outcome!r}")
    return _status(each.claim.recipient, outcome, each.attempted_at, "4.0.0", retry_until)


def _status(
    recipient: Recipient,
    outcome: Failed | Deferred | Unconfirmed,
    attempted_at: float,
    unknown: str,
    retry_until: float | None = None,
) -> RecipientStatus:
    reply = outcome.reply
    is_answer = bool(outcome.remote) and reply.status != _EXPIRED
    return RecipientStatus(
        recipient=recipient.address,
        action="failed" if isinstance(outcome, Failed) else "delayed",
        status=reply.status or unknown,
        attempted_at=attempted_at,
        orcpt=recipient.orcpt,
        remote=outcome.remote.partition(" ")[0],
        diagnostic=f"{'smtp' if is_answer else 'X-Local'}; {_SPACE.sub(' ', str(reply))}",
        retry_until=retry_until,
    )


def _readable_subject(header: bytes) -> str:
    """Return the subject if a person can read it as it stands, else nothing."""
    value = Header(header[:MAX_RETURNED]).get(b"subject") or b""
    text = _SPACE.sub(" ", value.decode("utf-8", "replace"))
    return "" if "=?" in text or "\ufffd" in text else text[:_MAX_SUBJECT]


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.split("\n")] if text else []
