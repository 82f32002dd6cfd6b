"""The record of a plugin: how often it was asked, what it did wrong, and what comes of that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedmail_mta.model import Reply
from twistedmail_mta.observe.catalogue import CALLS
from twistedmail_mta.observe.figures import Spread
from twistedmail_mta.tasks import Stalled

LOG_EVERY: Final = 60.0
"""Seconds between two tracebacks of one plugin."""

MOST_STALLS: Final = 3
"""How often a plugin may keep the whole server from working before it has to rest."""

STALLS_FORGOTTEN: Final = 900.0
"""Seconds after which a stall isn't counted any more."""

REST: Final = 300.0
"""Seconds for which a plugin isn't asked then."""


@dataclass(eq=False, slots=True)
class Tally:
    """How often a plugin was asked, and what it took; counting is a quarter of what a `Counter` takes."""

    number: int = 0
    seconds: Spread = field(default_factory=lambda: Spread(CALLS))


@dataclass(eq=False, slots=True)
class Plugin:
    """A plugin that runs.

    Attributes:
        name: what the site file calls it.
        acts: the object that provides the stages.
        timeout: seconds that one call may take.
        abstains: an exception or a timeout is no answer; else it is 451.
        may_send_anywhere: it may add recipients that this host keeps no mail for.
        tallies: how often it was asked, by the stage's method.
        failures: how often it raised, took too long, or answered nonsense.
        grants: for how many recipients it let mail be sent on.
        logged_at: when its last failure was logged with all details, in the clock's seconds.
        stalls: how often it kept the whole server from working, of late.
        stalled_at: when it last did, in the clock's seconds.
        rests_until: until when it isn't asked because of that; 0: it is.
    """

    name: str
    acts: Any
    timeout: float
    abstains: bool
    may_send_anywhere: bool = False
    tallies: dict[str, Tally] = field(default_factory=dict)
    failures: int = 0
    grants: int = 0
    logged_at: float = float("-inf")
    stalls: int = 0
    stalled_at: float = float("-inf")
    rests_until: float = 0.0

    log: ClassVar[Logger] = Logger()

    def tally(self, method: str) -> Tally:
        """Return what counts the questions of a stage, on whichever listener they are asked."""
        return self.tallies.setdefault(method, Tally())

    @property
    def calls(self) -> Counter[str]:
        """How often it was asked, by the stage's method."""
        return Counter({method: tally.number for method, tally in self.tallies.items() if tally.number})

    def rests(self, now: float) -> bool:
        """Return whether it isn't asked at a time, in the clock's seconds."""
        if now < self.rests_until:
            return True
        self.rests_until = 0.0
        return False

    def note_failure(self, method: str, error: Exception, reply: Reply | None, now: float) -> None:
        """Count a failure; log it with all details, but not each of many.

        Args:
            method: what was asked.
            error: what was raised, or should have been.
            reply: what it says, where that is all there is to say, such as of a daemon that doesn't answer.
            now: in the clock's seconds.
        """
        self.failures += 1
        if isinstance(error.__cause__, Stalled):
            self._note_stall(now)
        if now - self.logged_at < LOG_EVERY:
            return
        self.logged_at = now
        facts: dict[str, Any] = {"plugin": self.name, "stage": method, "count": self.failures}
        if reply is None:
            failure = Failure(error)
            text = "plugin {plugin} failed at {stage}, {count} times by now"
            self.log.failure(text, failure, event="plugin.failed", **facts)
        else:
            self.log.warn(
                "plugin {plugin} had no answer at {stage}, {count} times by now: {reply}",
                event="plugin.failed",
                reply=reply,
                **facts,
            )

    def _note_stall(self, now: float) -> None:
        """Count what nobody can afford often; each time costs all clients a second."""
        self.stalls = 1 if now - self.stalled_at > STALLS_FORGOTTEN else self.stalls + 1
        self.stalled_at = now
        if self.stalls >= MOST_STALLS:
            self.rests_until = now + REST
            self.log.error(
                "plugin {plugin} isn't asked for {rest:g} s: it kept the whole server from working {count} times",
                event="plugin.resting",
                plugin=self.name,
                rest=REST,
                count=self.stalls,
            )
