"""Delivery by the queue into mailboxes of this host: what the acceptance couldn't do by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.directory.forwarding import filed, forwarded
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.interfaces import IBodyStore, IDeliveryAgent, IDirectory, IMailboxDelivery
from twistedmail_mta.mail.structure import BodyScanner, structure_of
from twistedmail_mta.mailbox.prefix import delivered_before, is_looping
from twistedmail_mta.mailbox.scanning import scan
from twistedmail_mta.model import (
    Deferred,
    Delivered,
    Delivery,
    Expansion,
    Failed,
    LocalMail,
    Message,
    NextHop,
    Outcome,
    Recipient,
    Reply,
    Structure,
    Withdrawn,
    id_text,
)
from twistedmail_mta.tasks import Promise

DELIVERED: Final = Reply(250, "2.0.0", "Delivered")
FORWARDED: Final = Reply(250, "2.0.0", "Forwarded")
LOOP: Final = Reply(554, "5.4.6", "The message was delivered to that address before: it goes in circles")

PIECE: Final = 100
"""Mailboxes that get a message in one transaction."""
BLOCK: Final = 64 * 1024
PROGRESS: Final = 0
"""The place under which progress is kept: one for all recipients of a message, so that each mailbox gets it once."""


@implementer(IDeliveryAgent)
class MailboxAgent:
    """Finds out anew whom recipients stand for, and puts a message into their mailboxes, piece by piece.

    What is done is remembered with each piece, and forwards to other hosts
    take their recipient's place as its claim ends: so whatever is repeated
    after a crash, every mailbox and every forward gets the message once.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self, directory: IDirectory, mailboxes: IMailboxDelivery, bodies: IBodyStore, clock: IReactorTime
    ) -> None:
        """Make an agent.

        Args:
            directory: knows whom addresses stand for.
            mailboxes: where the mail goes.
            bodies: where large bodies are.
            clock: lets others go on during long work.
        """
        self._clock = clock
        self._directory = directory
        self._mailboxes = mailboxes
        self._bodies = bodies
        self._busy: dict[int, Promise[None]] = {}

    async def deliver(
        self,
        message: Message,
        recipients: Sequence[Recipient],
        next_hop: NextHop,  # noqa: ARG002 - there is one such place only
        wanted: Callable[[Recipient], bool],
    ) -> Sequence[Outcome]:
        """Try to deliver once; see `IDeliveryAgent`."""
        before = delivered_before(message.header)
        found = [await self._expansion(each, before) if wanted(each) else Withdrawn() for each in recipients]
        expansions = [each for each in found if isinstance(each, Expansion)]
        async with self._alone_with(message.id):
            missed = await self._fill(message, expansions)
        return [
            _outcome(recipient, each, missed) if isinstance(each, Expansion) else each
            for recipient, each in zip(recipients, found, strict=True)
        ]

    async def _expansion(self, recipient: Recipient, before: frozenset[str]) -> Expansion | Failed | Deferred:
        try:
            found = await self._directory.resolve(recipient.address)
        except TemporaryError as error:
            return Deferred(error.reply)
        if isinstance(found, Reply):
            return Failed(found) if found.is_permanent else Deferred(found)
        if is_looping(found.deliveries, before):
            return Failed(LOOP)
        return replace(found, deliveries=filed(recipient, found))

    @asynccontextmanager
    async def _alone_with(self, message_id: int) -> AsyncIterator[None]:
        """Let no other delivery of the message read what is done while this one does more."""
        while (busy := self._busy.get(message_id)) is not None:
            await busy
        done: Promise[None] = Promise()
        self._busy[message_id] = done
        try:
            yield
        finally:
            del self._busy[message_id]
            done.resolve(None)

    async def _fill(self, message: Message, expansions: Sequence[Expansion]) -> dict[tuple[int, str], Reply]:
        """Fill the mailboxes; return those that didn't get it, with the reason."""
        wanted: dict[tuple[int, str], Delivery] = {}
        for expansion in expansions:
            for each in expansion.deliveries:
                wanted.setdefault((each.account, each.mailbox), each)
        if not wanted:
            return {}
        keys, deliveries = list(wanted), list(wanted.values())
        try:
            structure = await self._structure(message)
        except MailError as error:
            return dict.fromkeys(keys, error.reply)
        missed: dict[tuple[int, str], Reply] = {}
        for start in range(0, len(keys), PIECE):
            refusal = await self._fill_piece(message, structure, deliveries[start : start + PIECE])
            if refusal is not None:
                missed |= dict.fromkeys(keys[start : start + PIECE], refusal)
        return missed

    async def _fill_piece(self, message: Message, structure: Structure, deliveries: Sequence[Delivery]) -> Reply | None:
        try:
            await self._mailboxes.deliver(message, LocalMail(structure, tuple(deliveries)), (message.id, PROGRESS))
        except TemporaryError as error:
            self.log.warn(
                "{queue_id} can't be put into mailboxes: {reply}",
                event="local.failed",
                queue_id=id_text(message.id),
                mailboxes=[str(each.address) for each in deliveries],
                reply=str(error.reply),
            )
            return error.reply
        return None

    async def _structure(self, message: Message) -> Structure:
        scanner = BodyScanner(message.header)
        for offset in range(0, message.body.size, BLOCK):
            await scan(scanner, await self._bodies.read(message.body, offset, BLOCK), self._clock)
        return structure_of(message.header, scanner.finish())


def _outcome(recipient: Recipient, expansion: Expansion, missed: dict[tuple[int, str], Reply]) -> Delivered | Deferred:
    for each in expansion.deliveries:
        if (each.account, each.mailbox) in missed:
            return Deferred(missed[each.account, each.mailbox])
    forwards = forwarded(recipient, expansion)
    if len(expansion.deliveries) + len(forwards) > 1:
        return Delivered(DELIVERED, owed="expanded", forwards=forwards)
    return Delivered(FORWARDED, forwards=forwards) if forwards else Delivered(DELIVERED, owed="delivered")
