"""Messages and outcomes as the parameters of SQL, and back.

Made before a transaction and read after it: on the writer's thread every step
of Python holds up all that wait for the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from twistedmail_mta.model import (
    Address,
    Body,
    Claim,
    Deferred,
    Delivered,
    Detention,
    Envelope,
    Failed,
    FailedRecipient,
    FileBody,
    InlineBody,
    Message,
    Notify,
    Origin,
    Recipient,
    Reply,
    Report,
    Settlement,
    TLSLevel,
    Unconfirmed,
    Via,
    Withdrawn,
)
from twistedmail_mta.tags import packed, unpacked

Row = tuple[Any, ...]
Key = tuple[int, int]
"""A recipient: its message, its place in the envelope."""

REPLY_KEPT: Final = 1000
"""How many characters of a peer's reply are kept."""


@dataclass(frozen=True, slots=True)
class MessageRows:
    """A message, ready to insert.

    Attributes:
        body: the parameters of `tables.BODY`.
        message: those of `tables.MESSAGE`; empty if there are no recipients.
        recipients: those of `tables.RECIPIENT`.
        held: those of `tables.HOLD`, if the recipients wait for an operator.
        detention: those of `tables.DETAIN`, which says why.
    """

    body: Row
    message: Row
    recipients: list[Row]
    held: Row = ()
    detention: Row = ()


def message_rows(
    message: Message, since: float, owner: int | None, *, kept: bool = False, detention: Detention | None = None
) -> MessageRows:
    """Return the rows of a message.

    Args:
        message: what is accepted; it is due at once.
        since: the running time of its acceptance.
        owner: who claims every recipient at birth, or None.
        kept: mailboxes refer to the body too.
        detention: why the recipients wait for an operator; None: they don't.
    """
    envelope, due, epoch = message.envelope, message.received_at, 0 if owner is None else 1
    recipients = [
        (message.id, n, *_who(recipient), *_way(recipient), due, since, owner, epoch)
        for n, recipient in enumerate(envelope.recipients)
    ]
    return MessageRows(
        body=body_row(message.id, kept + bool(recipients), message.body),
        message=_message_row(message) if recipients else (),
        recipients=recipients,
        held=(message.id, since) if detention is not None else (),
        detention=_detention_row(message, detention) if detention is not None else (),
    )


def _detention_row(message: Message, detention: Detention) -> Row:
    """Return the parameters of `tables.DETAIN`."""
    return message.id, detention.kind, detention.reason, detention.plugin, message.received_at, message.size


def body_row(body_id: int, refs: int, body: Body) -> Row:
    """Return the parameters of `tables.BODY`."""
    file, octets = (body.name, None) if isinstance(body, FileBody) else (None, body.data)
    return body_id, refs, body.size, file, octets


def _message_row(message: Message) -> Row:
    """Return the parameters of `tables.MESSAGE`."""
    envelope, origin = message.envelope, message.origin
    return (
        message.id,
        message.id,
        message.size,
        message.received_at,
        envelope.sender.local,
        envelope.sender.domain,
        envelope.eight_bit,
        envelope.smtputf8,
        envelope.ret,
        envelope.envid,
        envelope.auth,
        origin.protocol,
        origin.peer,
        origin.helo,
        origin.account,
        origin.listener,
        message.header,
        packed(message.tags),
    )


def _who(recipient: Recipient) -> Row:
    """Return what of a recipient is its sender's."""
    notify = None if recipient.notify is None else ",".join(sorted(recipient.notify))
    return recipient.address.local, recipient.address.domain, notify, recipient.orcpt


def _way(recipient: Recipient) -> Row:
    """Return what was decided of the way there, and how it came to be one."""
    via, rest = recipient.via, (recipient.mailbox, recipient.forwarded_by)
    return (None, None, *rest) if via is None else (via.via, via.tls, *rest)


def message_of(row: Row, recipients: Iterable[Row]) -> Message:
    """Return the message that `tables.message` read."""
    message_id, received_at, local, domain, eight_bit, smtputf8, ret, envid, auth = row[:9]
    protocol, peer, helo, account, listener, header, tags, size, file, octets = row[9:]
    body: Body = InlineBody(octets) if file is None else FileBody(file, size)
    return Message(
        id=message_id,
        envelope=Envelope(
            sender=Address(local, domain),
            recipients=tuple(recipient_of(*columns) for columns in recipients),
            eight_bit=bool(eight_bit),
            smtputf8=bool(smtputf8),
            ret=cast(Literal["FULL", "HDRS"] | None, ret),
            envid=envid,
            auth=auth,
        ),
        header=header,
        body=body,
        origin=Origin(protocol, peer, helo, account, listener),
        received_at=received_at,
        tags=unpacked(tags),
    )


def recipient_of(  # noqa: PLR0913, PLR0917 - the columns of `tables.RECIPIENT_COLUMNS`
    local: str,
    domain: str,
    notify: str | None,
    orcpt: str | None,
    via: str | None,
    tls: TLSLevel | None,
    mailbox: str | None,
    forwarded_by: str | None,
) -> Recipient:
    """Return the recipient of a row."""
    wanted = None if notify is None else cast(frozenset[Notify], frozenset(notify.split(",")) - {""})
    way = None if via is None else Via(via, tls)
    return Recipient(Address(local, domain), wanted, orcpt, way, mailbox, forwarded_by)


def claims_of(rows: Iterable[Row], running: float) -> list[Claim]:
    """Return the claims that `tables.claim` made, oldest due first.

    Args:
        rows: what it returned, in any order.
        running: the running time, which ages are measured by.
    """
    ordered = sorted(rows)  # their first column is when they were due
    return [
        Claim(message, n, epoch, recipient_of(*who), attempts, max(0.0, running - since), warnings)
        for _, message, n, epoch, *who, attempts, since, warnings in ordered
    ]


def failed_recipient_of(row: Row) -> FailedRecipient:
    """Return what `tables.unreported` read of one recipient."""
    n, *who, code, status, text, remote, failed_at = row
    outcome = Failed(Reply(code, status, text), remote)
    return FailedRecipient(n, recipient_of(*who), outcome, failed_at)


@dataclass(frozen=True, slots=True)
class SettlementRows:
    """What ended, sorted by what is to be done about it.

    Attributes:
        gone: message, place and epoch of what was delivered.
        back: the same of what was not attempted.
        attempted: the parameters of `tables.ATTEMPTED`.
        warned: the places whose sender a delay warning tells about.
        messages: every message concerned.
        forwards: the parameters of `tables.FORWARD` for those who take the
            place of what was delivered, each with message and place of that.
    """

    gone: list[Row]
    back: list[Row]
    attempted: list[Row]
    warned: frozenset[int]
    messages: tuple[int, ...]
    forwards: list[tuple[Key, Row]] = field(default_factory=list)


def settlement_rows(settlements: Sequence[Settlement], running: float) -> SettlementRows:
    """Sort settlements.

    Args:
        settlements: of one message or several.
        running: the running time, from which a hold counts.

    Raises:
        ValueError: a deferred recipient without a due time.
    """
    gone: list[Row] = []
    back: list[Row] = []
    attempted: list[Row] = []
    forwards: list[tuple[Key, Row]] = []
    for settlement in settlements:
        claim, outcome = settlement.claim, settlement.outcome
        key = (claim.message_id, claim.index, claim.epoch)
        match outcome:
            case Delivered():
                gone.append(key)
                forwards += _forwards(settlement, outcome.forwards, running)
            case Withdrawn():
                back.append((running, *key))
            case Failed() | Deferred() | Unconfirmed():
                attempted.append((*_attempt(settlement, outcome, running), *key))
    return SettlementRows(
        gone,
        back,
        attempted,
        frozenset(settlement.claim.index for settlement in settlements if settlement.warned),
        tuple({settlement.claim.message_id: None for settlement in settlements}),
        forwards,
    )


def _forwards(settlement: Settlement, recipients: Sequence[Recipient], running: float) -> Iterator[tuple[Key, Row]]:
    """Yield the rows of forwards.

    As they may get the place of one that is gone, their epochs begin where no
    claim of that one was.
    """
    claim, due = settlement.claim, settlement.attempted_at
    for recipient in recipients:
        row = (claim.message_id, *_who(recipient), recipient.forwarded_by, due, running, int(due))
        yield (claim.message_id, claim.index), row


def released_rows(claims: Iterable[Claim], running: float) -> SettlementRows:
    """Return claims that end without an attempt."""
    back = [(running, claim.message_id, claim.index, claim.epoch) for claim in claims]
    return SettlementRows([], back, [], frozenset(), tuple({row[1]: None for row in back}))


def _attempt(settlement: Settlement, outcome: Failed | Deferred | Unconfirmed, running: float) -> Row:
    failed = isinstance(outcome, Failed)
    if not failed and settlement.due is None:
        raise ValueError("a deferred recipient needs a due time")
    reply = outcome.reply
    return (
        "failed" if failed else "waiting",
        running,
        settlement.due,
        settlement.attempted_at,
        reply.code,
        reply.status,
        reply.text[:REPLY_KEPT],
        outcome.remote[:REPLY_KEPT],
        settlement.reason,
        int(settlement.warned),
    )


@dataclass(frozen=True, slots=True)
class ReportRows:
    """A report, ready to keep.

    Attributes:
        about: the message reported on.
        failed: the places it reports.
        message: the rows of the report; None when nobody is told.
        patience: a recipient still leased keeps the report back, unless the
            first failure is older than this.
        delivered: the places whose success it reports.
    """

    about: int
    failed: frozenset[int]
    message: MessageRows | None
    patience: float
    delivered: frozenset[int]


def report_rows(report: Report, since: float, patience: float) -> ReportRows:
    """Return the rows of a report accepted at running time `since`."""
    message = None if report.message is None else message_rows(report.message, since, None)
    return ReportRows(report.about, report.failed, message, patience, report.delivered)
