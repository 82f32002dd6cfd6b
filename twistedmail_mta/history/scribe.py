"""Makes rows of what happens to mail, for the recorder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import ClassVar, Concatenate, Final, ParamSpec

from twisted.logger import Logger

from twistedmail_mta.history.acts import act_keys, act_rows
from twistedmail_mta.history.keys import bare, outcome_key, recipient_keys
from twistedmail_mta.history.recorder import Recorder
from twistedmail_mta.history.story import Kind, Outcome, Row, Verdict, lines, packed, short
from twistedmail_mta.history.visit import Visit
from twistedmail_mta.model import (
    Claim,
    Deferred,
    Delivered,
    Delivery,
    Detention,
    Failed,
    LocalMail,
    Message,
    NextHop,
    Reply,
    Report,
    Settlement,
    Unconfirmed,
    Withdrawn,
)
from twistedmail_mta.routes import hop_text
from twistedmail_mta.tags import tags_text

P = ParamSpec("P")

MOST_FILED: Final = 1000
"""Acceptances whose UIDs are known and that aren't noted yet."""
MOST_A_SECOND: Final = 50
"""Refusals in a second that belong to no mail: who knocks more often must not crowd out what is known of mail."""
_MESSAGE_ID: Final = re.compile(rb"^message-id:[ \t\r\n]*+([^\r\n]{1,250})", re.IGNORECASE | re.MULTILINE)
_SIGNATURE: Final = re.compile(rb"^DKIM-Signature:((?:[^\r\n]|\r\n[ \t])*+)", re.IGNORECASE | re.MULTILINE)
_TAG: Final = re.compile(rb"(?:^|;)\s*([ds])\s*=\s*([^\s;]{1,253})")
_KINDS: Final = {
    Delivered: Kind.delivered,
    Deferred: Kind.deferred,
    Unconfirmed: Kind.unconfirmed,
    Failed: Kind.failed,
}
_FOUND_BY: Final = {Kind.failed: "bounced", Kind.deferred: "deferred", Kind.unconfirmed: "deferred"}

Places = Sequence[tuple[str, str, int]]
"""Copies in mailboxes: for whom, the name of the mailbox, the UID."""


def _harmless(note: Callable[Concatenate[History, P], None]) -> Callable[Concatenate[History, P], None]:
    """Let no mistake of the history become one of the mail: what can't be noted is logged."""

    @wraps(note)
    def noted(self: History, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            note(self, *args, **kwargs)
        except Exception:  # noqa: BLE001 - whatever it is, the mail is accepted, or tried, all the same
            self.log.failure("the history lacks something", event="history.failed")

    return noted


class History:
    """What the roles tell of mail; nothing here waits or raises.

    Attributes:
        recorder: takes the rows.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._filed: dict[int, Places] = {}
        self._second = 0
        self._knocks = 0

    @property
    def wants(self) -> bool:
        """Whether anything is noted."""
        return self.recorder.wants

    @_harmless
    def accepted(  # noqa: PLR0913, PLR0917 - the facts of one row
        self,
        visit: Visit,
        message: Message,
        recipients: Sequence[str],
        local: LocalMail | None,
        detention: Detention | None,
        signed: bytes,
    ) -> None:
        """Note a message that was taken.

        Args:
            visit: who brought it.
            message: as it is kept.
            recipients: whom it is for.
            local: the mailboxes that have it.
            detention: why it waits for an operator.
            signed: the signatures that were added.
        """
        filed = self._filed.pop(message.id, None) or _unnumbered(local)
        origin = message.origin
        row = (
            *(message.id, message.received_at, Outcome.accepted, str(message.envelope.sender), lines(recipients)),
            *(_message_id(message.header), message.size, origin.protocol, origin.peer, origin.helo, origin.listener),
            *(visit.session, visit.tls, origin.account, visit.mechanism, None, None, _verdicts(visit.verdicts)),
            *(packed(visit.refused), packed(filed), _signers(signed), _detained(detention), _tags(message), None),
            visit.asked or None,
        )
        self.recorder.story(row, 1 + len(recipients) // 10)

    @_harmless
    def discarded(self, story: int, visit: Visit, sender: str, recipients: Sequence[str]) -> None:
        """Note a message that plugins left no recipient."""
        self._untaken(story, Outcome.discarded, visit, sender, recipients, "", None)

    @_harmless
    def refused(  # noqa: PLR0913, PLR0917 - likewise
        self, story: int, visit: Visit, sender: str | None, recipients: Sequence[str], command: str, reply: Reply | str
    ) -> None:
        """Note what wasn't taken.

        Args:
            story: the id of the message that it would have been.
            visit: whose it was.
            sender: of MAIL; None where there was none.
            recipients: those that had been taken.
            command: what was refused.
            reply: the answer, or what went wrong where there was none.
        """
        self._untaken(story, Outcome.refused, visit, sender, recipients, command, reply)

    @_harmless
    def abandoned(self, story: int, visit: Visit, sender: str, recipients: Sequence[str]) -> None:
        """Note a message that the client didn't go on with; if all its recipients were refused, that."""
        outcome = Outcome.refused if visit.refused and not recipients else Outcome.abandoned
        self._untaken(story, outcome, visit, sender, recipients, "RCPT" if outcome == Outcome.refused else "", None)

    def _untaken(  # noqa: PLR0913, PLR0917 - likewise
        self,
        story: int,
        outcome: Outcome,
        visit: Visit,
        sender: str | None,
        recipients: Sequence[str],
        command: str,
        reply: Reply | str | None,
    ) -> None:
        if sender is None and self._knocks_too_often():
            self.recorder.drop()
            return
        row = (
            *(story, self.recorder.now(), outcome, sender, lines(recipients) or None, None, None, visit.protocol),
            *(visit.peer, visit.helo, visit.listener, visit.session, visit.tls, visit.account, visit.mechanism),
            *(command or None, None if reply is None else short(str(reply)), _verdicts(visit.verdicts)),
            *(packed(visit.refused), None, None, None, None, None, None),
        )
        self.recorder.story(row, 1 + len(recipients) // 10)

    def _knocks_too_often(self) -> bool:
        second = int(self.recorder.now())
        if second != self._second:
            self._second, self._knocks = second, 0
        self._knocks += 1
        return self._knocks > MOST_A_SECOND

    @_harmless
    def own(self, message: Message, about: int | None = None) -> None:
        """Note a message that this host wrote.

        Args:
            message: as it is kept.
            about: the id of the message it reports on.
        """
        recipients = [str(each.address) for each in message.envelope.recipients]
        row: Row = (
            *(message.id, message.received_at, Outcome.own, str(message.envelope.sender), lines(recipients)),
            *(_message_id(message.header), message.size, message.origin.protocol, None, None, None, None, None),
            *(None, None, None, None, None, None, None, _signers(message.header[:8192]), None, _tags(message), about),
            None,
        )
        self.recorder.story(row)

    @_harmless
    def filed(self, message: Message, deliveries: Sequence[Delivery], uids: Sequence[int]) -> None:
        """Note what UIDs a message got with its acceptance; `accepted` tells them."""
        if self.wants:
            if len(self._filed) >= MOST_FILED:
                self._filed.clear()
            self._filed[message.id] = _places(deliveries, uids)

    @_harmless
    def delivered_here(self, message: Message, deliveries: Sequence[Delivery], uids: Sequence[int]) -> None:
        """Note what the queue has put into mailboxes."""
        places = _places(deliveries, uids)
        keys = recipient_keys(each[0] for each in places)
        self.recorder.step(message.id, Kind.filed, *_NOTHING, packed(places), keys=keys)

    @_harmless
    def settled(self, message: Message, settlement: Settlement, hop: NextHop | None) -> None:
        """Note what became of an attempt.

        Args:
            message: whose.
            settlement: the result.
            hop: where it went; None where it went nowhere.
        """
        outcome, claim = settlement.outcome, settlement.claim
        if isinstance(outcome, Withdrawn):
            return
        kind, recipient = _KINDS[type(outcome)], str(claim.recipient.address)
        tls, proof, extra = None, None, None
        if isinstance(outcome, Delivered):
            tls, proof = int(outcome.encrypted), outcome.proof or None
            extra = packed([str(each.address) for each in outcome.forwards[:100]])
        keys = [outcome_key(_FOUND_BY[kind])] if kind in _FOUND_BY else []
        if claim.recipient.forwarded_by:
            keys += recipient_keys([recipient])
        self.recorder.step(
            *(message.id, kind, recipient, None if hop is None else hop_text(hop), outcome.remote or None, tls, proof),
            *(short(str(outcome.reply)), claim.attempts + 1, settlement.due, extra),
            at=settlement.attempted_at,
            keys=keys,
        )

    @_harmless
    def reported(self, report: Report) -> None:
        """Note that somebody was told of failures, or nobody."""
        message = report.message
        if message is None:
            self.recorder.step(report.about, Kind.untold, *_NOTHING, None)
            return
        told = str(message.envelope.recipients[0].address)
        self.recorder.step(report.about, Kind.told, told, *_NOTHING[1:], packed([message.id]))
        self.own(message, report.about)

    @_harmless
    def parked(self, claims: Sequence[Claim]) -> None:
        """Note recipients that wait for the end of a suspension."""
        for claim in claims:
            self.recorder.step(claim.message_id, Kind.parked, str(claim.recipient.address), *_NOTHING[1:], None)

    @_harmless
    def acted(self, act: str, messages: Iterable[int]) -> None:
        """Note what an operator did to recipients.

        Args:
            act: what, in a word or two.
            messages: the id of each recipient's message.
        """
        keys = act_keys(act)
        for message, _, kind, *columns in act_rows(act, messages, 0.0):
            self.recorder.step(message, kind, *columns, keys=keys)


_NOTHING: Final = (None,) * 8
"""The columns of a step between its kind and what there is only of that kind."""


def _places(deliveries: Sequence[Delivery], uids: Sequence[int]) -> Places:
    return [(str(each.address), each.mailbox, uid) for each, uid in zip(deliveries, uids, strict=False)]


def _unnumbered(local: LocalMail | None) -> Places:
    """Return mailboxes whose UIDs aren't known."""
    return () if local is None else [(str(each.address), each.mailbox, 0) for each in local.deliveries]


def _message_id(header: bytes) -> str | None:
    found = _MESSAGE_ID.search(header)
    return None if found is None else bare(found[1].decode("utf-8", "replace"))


def _signers(block: bytes) -> str | None:
    """Return who signed, as "domain (selector)"."""
    if not block:
        return None
    signers = []
    for value in _SIGNATURE.findall(block):
        tags = dict(_TAG.findall(value))
        signers.append(f"{tags.get(b'd', b'?').decode()} ({tags.get(b's', b'?').decode()})")
    return ", ".join(signers) or None


def _detained(detention: Detention | None) -> str | None:
    return None if detention is None else short(f"{detention.kind} by {detention.plugin}: {detention.reason}")


def _tags(message: Message) -> str | None:
    return short(tags_text(message.tags)) if message.tags else None


def _verdicts(verdicts: Sequence[Verdict]) -> str | None:
    return packed([(each.plugin, each.stage, each.answer) for each in verdicts]) if verdicts else None
