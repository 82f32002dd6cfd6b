"""What plugins changed of a message, put together: its header, its sender, whom it is for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from twisted.logger import Logger

from twistedmail_mta import stages
from twistedmail_mta.errors import MailError
from twistedmail_mta.header_changes import with_change
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Expansion, Recipient
from twistedmail_mta.pipeline import Asked
from twistedmail_mta.receive.addressees import Addressee
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.stages import (
    AddHeader,
    AddRecipient,
    ChangeSender,
    FileInto,
    Hold,
    InsertHeader,
    RemoveHeader,
    RemoveRecipient,
    ReplaceBody,
    ReplaceHeader,
)


@dataclass(slots=True)
class Judgement:
    """A message as the plugins want it.

    Attributes:
        header: of the message.
        sender: the reverse-path.
        addressees: whom it is for, by the recipient's address.
        filed: mailboxes other than INBOX, by recipient; None stands for all of them.
        held: why the message is to wait for an operator; empty if it isn't.
        body: what stands in the body's place; None if it stays.
    """

    header: Header
    sender: Address
    addressees: dict[Address, Addressee]
    filed: dict[Address | None, str] = field(default_factory=dict)
    held: str = ""
    body: stages.Body | None = None

    log: ClassVar[Logger] = Logger()

    async def apply(self, changes: Iterable[Asked], admission: Admission, queue_id: str) -> None:
        """Make changes in the order they were asked for, and log who asked.

        Args:
            changes: all of them.
            admission: says which recipients can be added.
            queue_id: the message's, for the log.
        """
        for asked in changes:
            done = await self._change(asked, admission)
            self.log.info(
                "plugin {plugin} asked to change {queue_id}{undone}: {change}",
                event="plugin.changed",
                plugin=asked.plugin.name,
                queue_id=queue_id,
                undone="" if done else ", which can't be done",
                change=repr(asked.change),
            )
        self._file()

    async def _change(self, asked: Asked, admission: Admission) -> bool:
        """Make one change; return whether it could be made."""
        match asked.change:
            case AddHeader() | InsertHeader() | RemoveHeader() | ReplaceHeader() as change:
                self.header = with_change(self.header, change)
            case ReplaceBody(body):
                self.body = body
            case ChangeSender(sender):
                self.sender = sender
            case RemoveRecipient(address):
                return self.addressees.pop(address, None) is not None
            case AddRecipient(address, notify, orcpt):
                recipient = Recipient(address, notify, orcpt)
                return await self._add(recipient, admission, anywhere=asked.plugin.may_send_anywhere)
            case FileInto(mailbox, recipient):
                self.filed[recipient] = mailbox
            case Hold(reason):
                self.held = reason or asked.plugin.name
        return True

    async def _add(self, recipient: Recipient, admission: Admission, *, anywhere: bool) -> bool:
        try:
            expansion = await admission.admit_copy(recipient.address, anywhere=anywhere)
        except MailError:
            return False
        self.addressees.setdefault(recipient.address, Addressee(recipient, expansion))
        return True

    def _file(self) -> None:
        """Name the mailboxes that copies go to."""
        for address, addressee in self.addressees.items() if self.filed else ():
            mailbox = self.filed.get(address) or self.filed.get(None)
            if mailbox is not None and addressee.expansion is not None:
                self.addressees[address] = replace(addressee, expansion=_filed(addressee.expansion, mailbox))


def _filed(expansion: Expansion, mailbox: str) -> Expansion:
    return replace(expansion, deliveries=tuple(replace(each, mailbox=mailbox) for each in expansion.deliveries))
