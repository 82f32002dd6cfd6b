"""The readings of the site file that sessions run under: the latest, and earlier ones until their sessions are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.config.site import Site
from twistedmail_mta.interfaces import IRecipientCheck
from twistedmail_mta.model import Reply
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.policy.running import Plugins
from twistedmail_mta.receive.presence import Presence
from twistedmail_mta.receive.replies import RULES_CHANGED
from twistedmail_mta.tasks import Task, TaskGroup, sleep

PART_AFTER: Final = 300.0
"""Seconds that sessions may go on with plugins that are no longer those of the site."""
END_AFTER: Final = 60.0
"""Seconds after that in which a message on its way has to be here."""
MOST_EARLIER: Final = 8
"""Earlier readings whose sessions are to leave; where there are more, those of the first leave at once."""


@dataclass(eq=False, slots=True)
class Generation:
    """A reading of the site file in use.

    Attributes:
        site: what of it counts.
        plugins: those of it.
        grants: those that may let strangers' mail be sent on.
        checks: who knows the recipients of relayed domains.
        presence: the sessions that began under it.
        leaving: sees them off.
    """

    site: Site
    plugins: Plugins
    grants: Pipeline
    checks: Mapping[str, IRecipientCheck | None]
    presence: Presence = field(default_factory=Presence)
    leaving: Task[None] | None = None


class _Loan:
    """A question about mail in the queue, which the plugins' time limits end."""

    def part(self, farewell: Reply) -> None:
        """Go on."""

    def abort(self, farewell: Reply) -> None:
        """Go on."""


class Generations:
    """One generation for new sessions, and those before it.

    Attributes:
        now: that of new sessions.
    """

    def __init__(self, first: Generation, clock: IReactorTime) -> None:
        self.now = first
        self._clock = clock
        self._earlier: list[Generation] = []
        self._tasks, self._stopping = TaskGroup(), TaskGroup()

    def pipeline(self) -> Pipeline:
        """Return the plugins that are asked about mail in the queue."""
        return self.now.plugins.observers

    @contextmanager
    def lent(self) -> Iterator[Pipeline]:
        """Return the same; they are stopped no sooner than this is over."""
        presence, loan = self.now.presence, _Loan()
        presence.enter(loan)
        try:
            yield self.pipeline()
        finally:
            presence.leave(loan)

    def follow(self, new: Generation) -> None:
        """Let a generation be that of new sessions."""
        old, self.now = self.now, new
        self._earlier.append(old)
        for each in tuple(self._earlier):
            if each.leaving is None and each.plugins.missing_in(new.plugins):
                each.leaving = self._tasks.start("site.leaving", self._see_off(each))
        for each in [each for each in self._earlier if each.leaving is not None][:-MOST_EARLIER]:
            each.presence.part(RULES_CHANGED)
        self._tasks.start("site.generation", self._outlive(old))

    async def _outlive(self, old: Generation) -> None:
        """Stop the plugins that nobody else has, once nobody can ask them any more."""
        await old.presence.gone()
        self._earlier.remove(old)
        if old.leaving is not None:
            old.leaving.cancel()
        await self._stopping.shield("site.stopping", old.plugins.stop())

    async def _see_off(self, old: Generation) -> None:
        """Bound the time for which plugins are asked that are no longer those of the site."""
        await sleep(self._clock, PART_AFTER)
        old.presence.part(RULES_CHANGED)
        await sleep(self._clock, END_AFTER)
        old.presence.abort(RULES_CHANGED)

    async def close(self) -> None:
        """Stop all plugins: there are no sessions any more."""
        self._tasks.cancel()
        await self._tasks.finish()
        await self._stopping.finish()
        for each in (self.now, *reversed(self._earlier)):
            await each.plugins.stop()

    async def finish(self) -> None:
        """Return when nothing is left to be done for sessions."""
        for each in (self.now, *self._earlier):
            await each.presence.tasks.finish()
