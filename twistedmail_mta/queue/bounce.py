"""Reports to senders: decides who is told what, and makes the message that tells them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twistedmail_mta.mail.dsn import compose
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.language import language_of
from twistedmail_mta.mail.notification import Notification, Original, RecipientStatus, Returned
from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Delivered,
    Envelope,
    FailedRecipient,
    InlineBody,
    Message,
    Notify,
    Origin,
    Recipient,
    Report,
    Settlement,
    id_text,
)
from twistedmail_mta.queue.report_text import ReportText
from twistedmail_mta.queue.schedule import RetrySchedule
from twistedmail_mta.queue.statuses import delayed_status, failed_status, success_status
from twistedmail_mta.queue.texts.form import Texts, Wording
from twistedmail_mta.queue.texts.languages import LANGUAGES

LOCAL = "local"
"""`Origin.protocol` of what this host writes itself."""

RETURNED = 50 * 1024
"""Octets up to which a message is returned whole."""

_HEADER_READ = 32 * 1024


def _no_domain(_: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Reports:
    """Composes bounces, delay warnings and reports of success.

    Attributes:
        host: this host's name.
        admin: who is told of failures that a stranger's mail met; None for nobody.
        new_id: makes message ids.
        offset: local time minus UTC, in seconds, at a time in seconds since the epoch.
        schedule: when recipients are given up.
        language: the language for senders whose own isn't known, and for the administrator.
        return_size: octets up to which a message that failed is returned whole.
        copy_to: who gets a copy of every bounce; None for nobody.
        hosts: whether this host keeps mail for a domain: to its people the
            domain itself speaks, to all others this host.
    """

    host: str
    admin: Address | None
    new_id: Callable[[], int]
    offset: Callable[[float], int]
    schedule: RetrySchedule
    language: str = "en"
    return_size: int = RETURNED
    copy_to: Address | None = None
    hosts: Callable[[str], bool] = _no_domain

    def failure(self, message: Message, failed: Sequence[FailedRecipient], now: float) -> Report:
        """Return the report of recipients that failed for good.

        Senders who logged in are told.  Strangers are not, since their
        addresses may be forged: the administrator is.  Nobody is told of mail
        with a null sender (RFC 5321 section 6.1), nor of recipients for which
        no report is wanted (RFC 3461 section 5.2.6).
        """
        indexes = frozenset(each.index for each in failed)
        statuses = [failed_status(each) for each in failed if _wants(each.recipient, "FAILURE")]
        if message.envelope.sender.is_null or not statuses:
            return Report(message.id, indexes, None)
        if _is_trusted(message):
            return Report(message.id, indexes, self._bounce(message, statuses, now))
        return Report(message.id, indexes, self._news_for_admin(message, statuses, now))

    def delay(self, message: Message, deferred: Sequence[Settlement], now: float) -> Report | None:
        """Return the delay warning that is due for recipients just deferred, or None.

        Only senders who logged in are warned.  The recipients it names are
        those for which `warns` says yes.
        """
        late = [each for each in deferred if self.warns(message, each)]
        if not late:
            return None
        lifetime = self.schedule.lifetime_of(is_report=False)
        statuses = [delayed_status(each, now + lifetime - each.claim.age) for each in late]
        tag, texts = self._language(message)
        warning = self._report(message, message.envelope.sender, (tag, texts, texts.delay), statuses, now)
        return Report(message.id, frozenset(), warning)

    def warns(self, message: Message, settlement: Settlement) -> bool:
        """Return whether a recipient just deferred is to be in a delay warning."""
        claim = settlement.claim
        return (
            settlement.due is not None
            and claim.warnings < self.schedule.warnings_due(claim.age)
            and message.origin.account is not None
            and not message.envelope.sender.is_null
            and _wants(claim.recipient, "DELAY")
        )

    def success(self, message: Message, delivered: Sequence[Settlement], now: float) -> Report | None:
        """Return the report of success that is due for recipients just delivered, or None.

        It goes to everybody who asked for it with NOTIFY=SUCCESS and won't
        hear it from the next hop (RFC 3461 section 5.2.2), strangers too.  But
        what a stranger's sender address gets holds nothing of the mail: as it
        may be forged, the report must be of no use to whoever forged it.
        """
        owed = [each for each in delivered if self.owes(message, each)]
        if not owed:
            return None
        tag, texts = self._language(message)
        returned: Returned = "header" if _is_trusted(message) else "nothing"
        told, statuses = message.envelope.sender, [success_status(each) for each in owed]
        news = self._report(message, told, (tag, texts, texts.success), statuses, now, returned)
        return Report(message.id, frozenset(), news, frozenset(each.claim.index for each in owed))

    def owes(self, message: Message, settlement: Settlement) -> bool:
        """Return whether the sender is to be told of a success."""
        outcome = settlement.outcome
        return (
            isinstance(outcome, Delivered)
            and outcome.owed is not None
            and not message.envelope.sender.is_null
            and "SUCCESS" in (settlement.claim.recipient.notify or ())
        )

    def _bounce(self, message: Message, statuses: Sequence[RecipientStatus], now: float) -> Message:
        tag, texts = self._language(message)
        full = message.envelope.ret != "HDRS" and message.size <= self.return_size
        wanted: Returned = "full" if full and isinstance(message.body, InlineBody) else "header"
        told = message.envelope.sender
        return self._report(message, told, (tag, texts, texts.failure), statuses, now, wanted, self.copy_to)

    def _news_for_admin(self, message: Message, statuses: Sequence[RecipientStatus], now: float) -> Message | None:
        if self.admin is None:
            return None
        texts = LANGUAGES[self.language]
        return self._report(message, self.admin, (self.language, texts, texts.admin), statuses, now)

    def _language(self, message: Message) -> tuple[str, Texts]:
        tag = language_of(Header(message.header[:_HEADER_READ]), LANGUAGES) or self.language
        return tag, LANGUAGES[tag]

    def _report(  # noqa: PLR0913, PLR0917 - what makes one report differ from another
        self,
        message: Message,
        told: Address,
        words: tuple[str, Texts, Wording],
        statuses: Sequence[RecipientStatus],
        now: float,
        returned: Returned = "header",
        copy_to: Address | None = None,
    ) -> Message:
        """Compose a report.

        Args:
            message: the message reported on.
            told: who is told.
            words: the language with its tag, and the kind of report.
            statuses: what became of whom.
            now: seconds since the epoch.
            returned: how much of the message goes back; with "nothing" the text doesn't quote it either.
            copy_to: who gets the same.
        """
        tag, texts, wording = words
        new_id, writer = self.new_id(), ReportText(self.host, self.offset, texts)
        header, body = compose(
            Notification(
                to=told,
                domain=told.domain if self.hosts(told.domain) else self.host,
                host=self.host,
                message_id=id_text(new_id),
                subject=wording.subject,
                text=writer.write(message, wording, statuses, names_subject=returned != "nothing"),
                language=tag,
                at=now,
                offset=self.offset(now),
                queue_id=id_text(message.id),
                original=_original(message, returned),
                arrived_at=message.received_at,
                recipients=tuple(statuses),
                helo=message.origin.helo,
                envid=message.envelope.envid,
            )
        )
        to = (told,) if copy_to is None or copy_to == told else (told, copy_to)
        envelope = Envelope(
            NULL_PATH,
            tuple(map(Recipient, to)),
            eight_bit=not body.isascii(),
            smtputf8=not header.isascii(),
        )
        return Message(new_id, envelope, header, InlineBody(body), Origin(LOCAL), now)


def _original(message: Message, returned: Returned) -> Original:
    body = message.body.data if returned == "full" and isinstance(message.body, InlineBody) else b""
    return Original(message.header, body, returned, smtputf8=message.envelope.smtputf8)


def _is_trusted(message: Message) -> bool:
    """Return whether the sender's address is its own: that of a login, or ours."""
    return message.origin.account is not None or message.origin.protocol == LOCAL


def _wants(recipient: Recipient, kind: Notify) -> bool:
    """Return whether such a report is wanted; without NOTIFY failures and delays are told (RFC 3461 section 4.1)."""
    return recipient.notify is None or kind in recipient.notify
