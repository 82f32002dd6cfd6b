"""Delivery into Maildirs that another server, such as Dovecot, shows to their owners."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final

from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.deliver.maildir_file import MaildirFile, file_name, fixed_part, place
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyStore, IDeliveryAgent, IRecipientCheck
from twistedmail_mta.mailbox.prefix import delivered_before, delivery_prefix, kept_header
from twistedmail_mta.model import (
    Address,
    Deferred,
    Delivered,
    Failed,
    InlineBody,
    Message,
    NextHop,
    Outcome,
    Recipient,
    Reply,
    Withdrawn,
    id_text,
)
from twistedmail_mta.tasks import Cancelled, WorkerPool

BLOCK: Final = 256 * 1024

DELIVERED: Final = Reply(250, "2.0.0", "Delivered")
NO_MAILBOX: Final = Reply(550, "5.1.1", "There is no such address here")
LOOP: Final = Reply(554, "5.4.6", "The message was delivered to that address before: it goes in circles")
NOT_THERE: Final = Reply(450, "4.2.0", "The mailbox can't be found now")
OVER_QUOTA: Final = Reply(452, "4.2.2", "The mailbox is full")
DISK_FULL: Final = Reply(452, "4.3.1", "Insufficient system storage")
FAILED: Final = Reply(451, "4.3.0", "The mailbox can't be written now")

_REPLIES: Final = {errno.ENOENT: NOT_THERE, errno.EDQUOT: OVER_QUOTA, errno.ENOSPC: DISK_FULL}


@implementer(IDeliveryAgent)
class MaildirAgent:
    """Writes a message into the Maildir of each recipient.

    A message's file has the same name whenever it is delivered to the same
    address, and is looked for before it is written again: what a process that
    died has delivered isn't delivered twice, as long as its reader leaves it there.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, pool: WorkerPool, bodies: IBodyStore, host: str, started_at: float) -> None:
        """Make an agent.

        Args:
            pool: the I/O threads.
            bodies: where large bodies are.
            host: our name, part of the names of files.
            started_at: mail that was accepted before this process began may have been delivered by another.
        """
        self._pool = pool
        self._bodies = bodies
        self._host = host
        self._started_at = started_at

    async def deliver(
        self,
        message: Message,
        recipients: Sequence[Recipient],
        next_hop: NextHop,
        wanted: Callable[[Recipient], bool],
    ) -> Sequence[Outcome]:
        """Try to deliver once; see `IDeliveryAgent`."""
        before = delivered_before(message.header)
        header = kept_header(message.header)
        return [
            await self._outcome(message, header, each.address, next_hop.host, before) if wanted(each) else Withdrawn()
            for each in recipients
        ]

    async def _outcome(
        self, message: Message, header: bytes, address: Address, template: str, before: frozenset[str]
    ) -> Outcome:
        maildir = place(template, address)
        if maildir is None:
            return Failed(NO_MAILBOX)
        if str(address).lower() in before:
            return Failed(LOOP)
        file = MaildirFile(maildir, file_name(message.id, message.received_at, address, self._host))
        try:
            await self._write(file, message, delivery_prefix(message.envelope.sender, address) + header)
        except OSError as error:
            return self._deferred(message, address, maildir, error)
        except TemporaryError as error:
            return Deferred(error.reply)
        return Delivered(DELIVERED, owed="delivered")

    async def _write(self, file: MaildirFile, message: Message, head: bytes) -> None:
        body = message.body
        look = message.received_at <= self._started_at
        if isinstance(body, InlineBody):
            await self._pool.run(_write_at_once, file, head + body.data, look_in_cur=look)
            return
        try:
            if await self._pool.run(file.begin, look_in_cur=look):
                await self._pool.run(file.add, head)
                for offset in range(0, body.size, BLOCK):
                    await self._pool.run(file.add, await self._bodies.read(body, offset, BLOCK))
                await self._pool.run(file.finish)
        except Cancelled:  # the step under way still uses the file; the process ends
            raise
        except BaseException:
            await self._pool.run(file.close)
            raise
        await self._pool.run(file.close)

    def _deferred(self, message: Message, address: Address, maildir: Path, error: OSError) -> Deferred:
        self.log.warn(
            "{queue_id} can't be written to {maildir}: {reason}",
            event="maildir.failed",
            queue_id=id_text(message.id),
            recipient=str(address),
            maildir=str(maildir),
            reason=error.strerror or str(error),
        )
        return Deferred(_REPLIES.get(error.errno or 0, FAILED))


def _write_at_once(file: MaildirFile, octets: bytes, *, look_in_cur: bool) -> None:
    try:
        if file.begin(look_in_cur=look_in_cur):
            file.add(octets)
            file.finish()
    finally:
        file.close()


@implementer(IRecipientCheck)
class MaildirCheck:
    """Says at RCPT that an address has no Maildir, nor a place for one.

    A file system that isn't mounted refuses nobody for good.
    """

    def __init__(self, pool: WorkerPool, template: str) -> None:
        """Make a check.

        Args:
            pool: the I/O threads.
            template: where Maildirs are (`maildir_file.place`).
        """
        self._pool = pool
        self._template = template

    async def verify(self, recipient: Address) -> Reply | None:
        """Return the refusal to give at RCPT, or None; see `IRecipientCheck`."""
        maildir = place(self._template, recipient)
        if maildir is None:
            return NO_MAILBOX
        try:
            return await self._pool.run(self._refusal, maildir)
        except TemporaryError as error:
            return error.reply

    def _refusal(self, maildir: Path) -> Reply | None:
        if maildir.parent.is_dir():
            return None
        try:
            with os.scandir(fixed_part(self._template)) as entries:
                return NO_MAILBOX if next(entries, None) is not None else NOT_THERE
        except OSError:
            return NOT_THERE
