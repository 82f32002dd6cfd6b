"""Asking the next hop whether a recipient exists, for the domains we are a backup MX of."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twistedmail_mta.deliver.connection import ClientProtocol
from twistedmail_mta.deliver.dial import Dialer
from twistedmail_mta.deliver.mx import Hosts
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.errors import PermanentError, TemporaryError
from twistedmail_mta.interfaces import IRecipientCheck, IRouter
from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Delivered,
    Envelope,
    Failed,
    NextHop,
    Outcome,
    Recipient,
    Refuse,
    Reply,
)
from twistedmail_mta.tasks import Task, within

KNOWN_FOR: Final = 86400.0
UNKNOWN_FOR: Final = 7200.0
DOWN_FOR: Final = 60.0
"""Seconds for which a next hop that could not be asked isn't asked again."""
TIME_LIMIT: Final = 30.0
MAX_ANSWERS: Final = 10_000
MAX_QUESTIONS: Final = 20

TOO_BUSY: Final = Reply(451, "4.3.2", "Too busy to verify the recipient, please try again later")
UNKNOWN_TEXT: Final = "The recipient's own mail host refuses this recipient"


@dataclass(frozen=True, slots=True)
class _Answer:
    refusal: Reply | None
    until: float


@implementer(IRecipientCheck)
class Callout:
    """Knows recipients by asking their next hop with MAIL and RCPT, and remembers the answers.

    A next hop that can't be asked, or doesn't want to say, leaves the
    recipient undecided, and undecided is fine: a backup MX takes mail just
    when the next hop is down.  A domain whose mail leads nowhere, or back to
    us, is refused instead: what can't be sent on must not be taken.
    Concurrent questions for one recipient are one.
    """

    def __init__(self, dialer: Dialer, hosts: Hosts, router: IRouter, clock: IReactorTime) -> None:
        """Make a callout.

        Args:
            dialer: opens sessions.
            hosts: finds the hosts of a next hop.
            router: says which next hop a recipient has.
            clock: for the time limit and the age of answers.
        """
        self._dialer = dialer
        self._hosts = hosts
        self._router = router
        self._clock = clock
        self._answers: OrderedDict[Address, _Answer] = OrderedDict()
        self._questions: dict[Address, Task[Reply | None]] = {}
        self._down: dict[NextHop, float] = {}

    async def verify(self, recipient: Address) -> Reply | None:
        """Return the refusal to give at RCPT, or None; see `IRecipientCheck`."""
        known = self.recalled(recipient)
        if not isinstance(known, NextHop):
            return known
        if recipient not in self._questions and len(self._questions) >= MAX_QUESTIONS:
            return TOO_BUSY
        return await self._question(recipient, known)

    def recalled(self, recipient: Address) -> Reply | NextHop | None:
        """Return what `verify` says without asking anybody, or the next hop that it would ask."""
        route = self._router.route(None, recipient)
        if isinstance(route, Refuse):
            return route.reply
        if not isinstance(route, NextHop):
            return None
        known = self._answers.get(recipient)
        if known is not None and known.until > self._clock.seconds():
            self._answers.move_to_end(recipient)
            return known.refusal
        return None if self._is_down(route) else route

    def forget(self) -> None:
        """Forget all answers: mail may go another way now."""
        self._answers.clear()
        self._down.clear()

    async def close(self) -> None:
        """Give up on the questions under way; whoever waits for one is cancelled."""
        for task in tuple(self._questions.values()):
            task.cancel()

    def _question(self, recipient: Address, next_hop: NextHop) -> Task[Reply | None]:
        task = self._questions.get(recipient)
        if task is None:
            task = Task("deliver.callout", self._ask(recipient, next_hop))
            if not task.done:
                self._questions[recipient] = task
        return task

    def _is_down(self, next_hop: NextHop) -> bool:
        return self._down.get(next_hop, 0.0) > self._clock.seconds()

    async def _ask(self, recipient: Address, next_hop: NextHop) -> Reply | None:
        try:
            outcome = await within(self._clock, TIME_LIMIT, self._outcome(recipient, next_hop))
        except PermanentError as error:
            return error.reply
        except (TemporaryError, TimeoutError):
            self._down[next_hop] = self._clock.seconds() + DOWN_FOR
            return None
        finally:
            self._questions.pop(recipient, None)
        self._down.pop(next_hop, None)
        if isinstance(outcome, Delivered):
            return self._remember(recipient, None, KNOWN_FOR)
        if isinstance(outcome, Failed):
            status = outcome.reply.status or "5.1.1"
            return self._remember(recipient, Reply(outcome.reply.code, status, UNKNOWN_TEXT), UNKNOWN_FOR)
        return None

    def _remember(self, recipient: Address, refusal: Reply | None, seconds: float) -> Reply | None:
        self._answers[recipient] = _Answer(refusal, self._clock.seconds() + seconds)
        self._answers.move_to_end(recipient)
        if len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)
        return refusal

    async def _outcome(self, recipient: Address, next_hop: NextHop) -> Outcome:
        connection = await self._call(next_hop)
        try:
            envelope = Envelope(NULL_PATH, (Recipient(recipient),))
            return (await connection.probe(envelope))[0]
        finally:
            connection.finish()

    async def _call(self, next_hop: NextHop) -> ClientProtocol:
        *others, last = await self._hosts.targets(next_hop)
        for target in others:
            try:
                return await self._dial(next_hop, target)
            except TemporaryError:
                continue
        return await self._dial(next_hop, last)

    async def _dial(self, next_hop: NextHop, target: Target) -> ClientProtocol:
        """Call a host; as the question is about nobody's mail, always from the same of our addresses."""
        return await self._dialer.call(next_hop, target, self._dialer.source(target, originator=""))
