"""The delivery agent: carries a message to a next hop, host after host, and says what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.deliver.attempt import Attempt
from twistedmail_mta.deliver.connection import BLOCK, ClientProtocol
from twistedmail_mta.deliver.dial import Unproven
from twistedmail_mta.deliver.mx import Hosts
from twistedmail_mta.deliver.pool import Call, Pool
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.errors import MailError, PermanentError, TemporaryError
from twistedmail_mta.interfaces import IBodyStore, IDeliveryAgent
from twistedmail_mta.model import (
    Deferred,
    Envelope,
    Failed,
    InlineBody,
    Message,
    NextHop,
    Outcome,
    Recipient,
    id_text,
)
from twistedmail_mta.smtp.xforward import Forwarded
from twistedmail_mta.tags import DESPITE_TLS

MAX_SESSIONS: Final = 2
"""Sessions that got as far as a transaction, in one attempt."""


@implementer(IDeliveryAgent)
class DeliveryAgent:
    """Delivers over SMTP: one message, one next hop, up to five addresses and two sessions.

    What is to be delivered on this host it leaves to those who do that.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self, pool: Pool, hosts: Hosts, bodies: IBodyStore, local: Mapping[str, IDeliveryAgent] | None = None
    ) -> None:
        """Make an agent.

        Args:
            pool: lends connections.
            hosts: finds the hosts of a next hop.
            bodies: where large bodies are.
            local: who delivers on this host, by `NextHop.local`.
        """
        self._local = local or {}
        self._pool = pool
        self._hosts = hosts
        self._bodies = bodies

    async def deliver(
        self,
        message: Message,
        recipients: Sequence[Recipient],
        next_hop: NextHop,
        wanted: Callable[[Recipient], bool],
    ) -> Sequence[Outcome]:
        """Try to deliver once; see `IDeliveryAgent`."""
        if next_hop.local is not None:
            return await self._local[next_hop.local].deliver(message, recipients, next_hop, wanted)
        attempt = Attempt(message, recipients, wanted)
        try:
            found = await self._hosts.targets(next_hop, demanding=DESPITE_TLS not in message.tags)
        except MailError as error:
            kind = Failed if isinstance(error, PermanentError) else Deferred
            attempt.unreached(kind(error.reply))
        else:
            await self._try_each(attempt, next_hop, found)
        return attempt.outcomes()

    async def _try_each(self, attempt: Attempt, next_hop: NextHop, found: Sequence[Target]) -> None:
        sessions = 0
        for target in self._pool.kept_first(next_hop, found, attempt.message.originator):
            if sessions == MAX_SESSIONS or attempt.finished:
                return
            sessions += await self._try(attempt, next_hop, target)

    async def _try(self, attempt: Attempt, next_hop: NextHop, target: Target) -> bool:
        """Try one target; return whether there was a session."""
        originator = attempt.message.originator
        while (kept := self._pool.kept(next_hop, target, originator)) is not None:
            if await self._transact(attempt, kept):
                return True
        try:
            counted = DESPITE_TLS not in attempt.message.tags
            call = await self._pool.call(next_hop, target, originator, counted=counted)
        except TemporaryError as error:
            self._log_unreached(attempt.message, target, error)
            attempt.unreached(Deferred(error.reply, str(target), unreached=not isinstance(error, Unproven)))
            return False
        return await self._transact(attempt, call)

    async def _transact(self, attempt: Attempt, call: Call) -> bool:
        """Send over one connection; False when it was a kept one that has died meanwhile."""
        last = self._pool.is_last(call)
        try:
            served = await self._send(attempt, call, last=last)
        except BaseException:
            call.connection.abort()
            raise
        self._pool.give_back(call, last=last)
        return served

    async def _send(self, attempt: Attempt, call: Call, *, last: bool) -> bool:
        connection = call.connection
        envelope = await self._declared(attempt, connection)
        if envelope is None:
            return True
        forwarded = forwarded_of(attempt.message) if call.is_of_filter else None
        outcomes = await connection.send(attempt.message, envelope, self._bodies, last=last, forwarded=forwarded)
        session = connection.session
        if call.is_reused and session.failure is not None and not session.mail_accepted:
            return False
        call.messages += 1
        attempt.decide(outcomes)
        return True

    async def _declared(self, attempt: Attempt, connection: ClientProtocol) -> Envelope | None:
        """Return the envelope, without BODY=8BITMIME if the host doesn't know that and the text needs it not."""
        message = attempt.message
        eight_bit = message.envelope.eight_bit
        if eight_bit and "8BITMIME" not in connection.session.extensions:
            eight_bit = not await self._is_ascii(message)
        envelope = attempt.envelope()
        if envelope is None or envelope.eight_bit == eight_bit:
            return envelope
        return replace(envelope, eight_bit=eight_bit)

    async def _is_ascii(self, message: Message) -> bool:
        if not message.header.isascii():
            return False
        if isinstance(message.body, InlineBody):
            return message.body.data.isascii()
        for offset in range(0, message.body.size, BLOCK):
            if not (await self._bodies.read(message.body, offset, BLOCK)).isascii():
                return False
        return True

    def _log_unreached(self, message: Message, target: Target, error: TemporaryError) -> None:
        self.log.info(
            "{queue_id}: no session with {remote}: {reply}",
            queue_id=id_text(message.id),
            remote=str(target),
            reply=str(error.reply),
            event="deliver.unreached",
        )


def forwarded_of(message: Message) -> Forwarded:
    """Return what a content filter is told of the client that a message came from."""
    origin = message.origin
    return Forwarded(
        addr=origin.peer,
        proto=origin.protocol,
        helo=origin.helo,
        ident=id_text(message.id),
        source="REMOTE" if origin.account is None else "LOCAL",
    )
