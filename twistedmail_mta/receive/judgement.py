"""What plugins changed of a message, put together: its header, its sender, whom it is for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta import stages
from twistedmail_mta.errors import MailError
from twistedmail_mta.header_changes import with_change
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.model import Address, Detention, Expansion, Recipient, Via
from twistedmail_mta.pipeline import Asked
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.receive.addressees import Addressee
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.receive.diversion import detained, instead_of, with_envelope
from twistedmail_mta.receive.naming import Named
from twistedmail_mta.stages import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeRecipient,
    ChangeSender,
    FileInto,
    Hold,
    InsertHeader,
    Quarantine,
    RemoveHeader,
    RemoveRecipient,
    ReplaceBody,
    ReplaceHeader,
    SetNextHop,
    Tag,
)
from twistedmail_mta.tags import MOST
from twistedmail_mta.tasks import sleep

AT_ONCE: Final = 50
"""Changes that are made without a break."""
MOST_TOLD: Final = 500
"""Letters of a change that the log shows."""

T = TypeVar("T")

_LOG: Final = Logger()


@dataclass(slots=True)
class Judgement:
    """A message as the plugins want it.

    Attributes:
        header: of the message.
        sender: the reverse-path.
        named: whom it is for.
        reserve: keeps room in the mailboxes of one who is put in others' place.
        clock: others go on while there is much to change.
        filed: mailboxes other than INBOX, by recipient; None stands for all of them.
        sent: next hops that were chosen, by recipient; None stands for all of them.
        tags: what was noted about the message.
        body: what stands in the body's place, and who wants it; None if it stays.
        quarantine_mailbox: whose mailbox gets what is to be quarantined; None: it waits in the queue.
        detention: why the message is to wait for an operator; None if it isn't.
        log: is told who asked for what.
    """

    header: Header
    sender: Address
    named: Named
    reserve: Callable[[Expansion | None], Awaitable[None]]
    clock: IReactorTime
    filed: dict[Address | None, str] = field(default_factory=dict)
    sent: dict[Address | None, Via] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    body: tuple[stages.Body, Plugin] | None = None
    quarantine_mailbox: Address | None = None
    detention: Detention | None = None
    log: Logger = _LOG

    async def apply(self, changes: Iterable[Asked], admission: Admission, queue_id: str) -> None:
        """Make changes in the order they were asked for, and log who asked.

        Args:
            changes: all of them.
            admission: says which recipients can be added.
            queue_id: the message's, for the log.

        Raises:
            MailError: it can't be said now who is to get the message.
        """
        for number, asked in enumerate(changes, 1):
            done = await self._change(asked, admission)
            tell = self.log.warn if not done and isinstance(asked.change, ChangeRecipient) else self.log.info
            tell(
                "plugin {plugin} asked to change {queue_id}{undone}: {change}",
                event="plugin.changed",
                plugin=asked.plugin.name,
                queue_id=queue_id,
                undone="" if done else ", which can't be done",
                change=_told(asked.change),
            )
            if not number % AT_ONCE:
                await sleep(self.clock, 0)  # others go first
        self._place()
        if self.detention is not None and self.detention.kind == "quarantine" and self.named.addressees:
            await self._divert(self.detention, admission, queue_id)

    async def _change(self, asked: Asked, admission: Admission) -> bool:
        """Make one change; return whether it could be made."""
        match asked.change:
            case ChangeHeader() as change:
                before, self.header = self.header, with_change(self.header, change)
                return self.header is not before
            case AddHeader() | InsertHeader() | RemoveHeader() | ReplaceHeader() as change:
                self.header = with_change(self.header, change)
            case ReplaceBody(body):
                self.body = body, asked.plugin
            case ChangeSender(sender):
                self.sender = sender
            case AddRecipient() | RemoveRecipient() | ChangeRecipient() as change:
                return await self._readdress(change, admission, anywhere=asked.plugin.may_send_anywhere)
            case FileInto() | SetNextHop() | Tag() | Hold() | Quarantine() as change:
                return self._decide(change, asked.plugin.name)
        return True

    def _decide(self, decision: stages.Decision, plugin: str) -> bool:
        """Note what is to be done with the message; return whether it can be."""
        match decision:
            case FileInto(mailbox, recipient):
                self.filed[recipient] = mailbox_name(mailbox)
            case SetNextHop(via, tls, recipient):
                if recipient is not None and self.named.standing(recipient) is None:
                    return False
                self.sent[recipient] = Via(via, tls)
            case Tag(name, value):
                if name not in self.tags and len(self.tags) >= MOST:
                    return False
                self.tags[name] = value
            case Hold() | Quarantine():
                self._detain(decision, plugin)
        return True

    def _detain(self, change: Hold | Quarantine, plugin: str) -> None:
        """Let the message wait for an operator; a quarantine goes before a hold."""
        if isinstance(change, Hold):
            self.detention = self.detention or detained("hold", change.reason, plugin)
        elif self.detention is None or self.detention.kind == "hold":
            self.detention = detained("quarantine", change.reason, plugin)
            self.quarantine_mailbox = change.mailbox_of or self.quarantine_mailbox

    async def _readdress(self, change: stages.RecipientChange, admission: Admission, *, anywhere: bool) -> bool:
        match change:
            case RemoveRecipient(address):
                return self.named.remove(address)
            case AddRecipient(address, notify, orcpt):
                return await self._add(Recipient(address, notify, orcpt), admission, anywhere=anywhere)
            case ChangeRecipient(old, new):
                return await self._move(old, new, admission, anywhere=anywhere)

    async def _add(self, recipient: Recipient, admission: Admission, *, anywhere: bool) -> bool:
        try:
            expansion = await admission.admit_copy(recipient.address, anywhere=anywhere)
        except MailError:
            return False
        self.named.add(recipient, expansion)
        return True

    async def _move(self, old: Address, new: Address, admission: Admission, *, anywhere: bool) -> bool:
        """Put another in the place of a recipient, who stays if that one is refused for good."""
        standing = self.named.standing(old)
        if standing is None or standing.address == new:
            return standing is not None
        try:
            expansion = await admission.admit_copy(new, anywhere=anywhere)
            if new not in self.named.addressees:
                await self.reserve(expansion)
        except MailError as error:
            if error.reply.is_permanent:
                return False
            raise
        self.named.move(old, new, expansion)
        return True

    def _place(self) -> None:
        """Note of each recipient what was chosen: the mailbox of who is kept here, the next hop."""
        for addressee, mailbox in self._chosen(self.filed):
            if addressee.expansion is not None:
                self.named.decide(replace(addressee.recipient, mailbox=mailbox))
        for addressee, via in self._chosen(self.sent):
            self.named.decide(replace(addressee.recipient, via=via))

    def _chosen(self, choices: Mapping[Address | None, T]) -> list[tuple[Addressee, T]]:
        """Return those for whom something was chosen: for one of them, else for all."""
        if not choices:
            return []
        now = {None if address is None else self.named.now(address): choice for address, choice in choices.items()}
        everybody = now.get(None)
        chosen = [(each, now.get(address, everybody)) for address, each in self.named.addressees.items()]
        return [(addressee, choice) for addressee, choice in chosen if choice is not None]

    async def _divert(self, detention: Detention, admission: Admission, queue_id: str) -> None:
        """Send the message into a mailbox for such mail; if there is none, it waits in the queue."""
        address = self.quarantine_mailbox
        if address is None:
            return
        try:
            expansion = await admission.admit_copy(address, anywhere=False)
            await self.reserve(expansion)
        except MailError as error:
            self.log.warn(
                "{queue_id} can't be put into the mailbox of {address}, and waits in the queue: {reply}",
                event="quarantine.undeliverable", queue_id=queue_id, address=str(address), reply=error.reply,
            )  # fmt: skip
            return
        self.header = with_envelope(self.header, detention, self.sender, self.named.addressees)
        self.named.divert(instead_of(address), expansion)
        self.detention = None


def _told(change: stages.Change) -> str:
    text = repr(change)
    return text if len(text) <= MOST_TOLD else f"{text[:MOST_TOLD]}..."
