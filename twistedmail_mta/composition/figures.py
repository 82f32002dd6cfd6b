"""What `mta top` is told of a running site: numbers in memory, none of which has to be looked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.composition.parts import Parts
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.busiest import Busiest
from twistedmail_mta.observe.catalogue import Reading
from twistedmail_mta.observe.figures import Spread
from twistedmail_mta.observe.rates import SPANS, Growth, Rates
from twistedmail_mta.policy.memory import resident
from twistedmail_mta.queue.standing import LanesStanding, LaneStanding

MOST_LANES: Final = 200
"""Lanes that are told of one by one."""
MOST_SENDERS: Final = 50
"""Accounts and domains that are told of."""
_RATES: Final = ("accepted", "delivered", "deferred", "failed", "refused")
_OUTCOMES: Final = {"delivered": "delivered", "deferred": "deferred", "unconfirmed": "deferred", "failed": "failed"}
_BEGUN: Final = "begun "
"""What the names of numbers begin with that are about the sessions of a listener."""

Told = dict[str, Any]
Sessions = Callable[[], Mapping[str, tuple[int, int]]]
"""Returns for each listener how many connections it has, and how many it has had."""


class Figures:
    """Keeps samples of what was counted, one for each second of five minutes, and makes rates of them.

    Attributes:
        busiest: who sends most; hears the log.
    """

    def __init__(
        self, clock: IReactorTime, parts: Parts, readings: Callable[[], Iterable[Reading]], sessions: Sessions
    ) -> None:
        """Begin with nothing.

        Args:
            clock: the time.
            parts: those of the site.
            readings: returns what was counted; only counts are looked at, and how the database does.
            sessions: who is and was at the listeners.
        """
        self._clock = clock
        self._parts = parts
        self._readings = readings
        self._sessions = sessions
        self._rates = Rates()
        self._late: dict[int, float] = {}
        self.busiest = Busiest(clock)

    def note(self, late: float) -> None:
        """Take a sample; called every second.

        Args:
            late: how late the reactor was with that, in seconds.
        """
        now = self._clock.seconds()
        totals = totals_of(self._readings())
        totals.update({_BEGUN + name: begun for name, (_, begun) in self._sessions().items()})
        self._rates.note(now, totals)
        self._late[int(now)] = late
        self._late = {at: each for at, each in self._late.items() if at > now - SPANS["5m"]}

    def told(self) -> Told:
        """Return everything, as a value for JSON of bounded size."""
        growths = {name: self._rates.grown(span) for name, span in SPANS.items()}
        last = self._rates.last()
        return {
            "at": time.time(),
            "hostname": self._parts.site.server.hostname,
            "sessions": self._told_sessions(growths),
            "rates": {name: {"total": last.get(name, 0), **_rates_of(name, growths)} for name in _RATES},
            "lanes": lanes_told(self._parts.queue.standing(MOST_LANES), time.time()),
            "senders": self._told_senders(),
            "reactor": {name: self._latest(span) for name, span in SPANS.items()},
            "database": {
                "commits": {"total": last.get("commits", 0), **_rates_of("commits", growths)},
                "wait": {name: growth.ratio("waited", "writes") for name, growth in growths.items()},
                "waiting": last.get("waiting", 0),
            },
            "memory": {"held": resident(), "most": self._parts.most_memory},
        }

    def _told_sessions(self, growths: Mapping[str, Growth]) -> list[Told]:
        listen = self._parts.site.listen
        return [
            {
                "listener": name,
                "role": listen[name].role if name in listen else "",
                "open": now,
                "begun": begun,
                "rates": _rates_of(_BEGUN + name, growths),
            }
            for name, (now, begun) in self._sessions().items()
        ]

    def _told_senders(self) -> Told:
        seconds, most = self.busiest.most(MOST_SENDERS)
        return {"seconds": seconds, "listed": [{"name": name, "messages": number} for name, number in most]}

    def _latest(self, span: float) -> float | None:
        """Return how late the reactor was at most."""
        since = self._clock.seconds() - span
        return max((late for at, late in self._late.items() if at >= int(since)), default=None)


def _rates_of(name: str, growths: Mapping[str, Growth]) -> dict[str, float | None]:
    """Return by how much a number grows in a second, over each span."""
    return {span: growth.per_second(name) for span, growth in growths.items()}


def totals_of(readings: Iterable[Reading]) -> dict[str, float]:
    """Return the numbers that rates are made of, out of all that was counted.

    What a client is refused, turned away included, is counted once for each
    answer; a recipient counts as delivered when its copy is in a mailbox or
    another host has it.
    """
    totals = dict.fromkeys((*_RATES, "commits", "waited", "writes", "waiting"), 0.0)
    for family, labels, value in readings:
        if isinstance(value, Spread):
            if family is catalogue.COMMIT:
                totals["commits"] = value.number
            elif family is catalogue.WAITED:
                totals["waited"], totals["writes"] = value.total, value.number
        elif family is catalogue.ACCEPTED:
            totals["accepted"] += value
        elif family is catalogue.REFUSED:
            totals["refused"] += value
        elif family is catalogue.FILED:
            totals["delivered"] += value
        elif family is catalogue.ATTEMPTS and labels[-1] in _OUTCOMES:
            totals[_OUTCOMES[labels[-1]]] += value
        elif family is catalogue.WRITES:
            totals["waiting"] = value
    return totals


def lanes_told(standing: LanesStanding, now: float) -> Told:
    """Return how lanes stand, as a value for JSON.

    Args:
        standing: what they told.
        now: seconds since the epoch.
    """
    return {
        "number": standing.number,
        "transfers": standing.running,
        "waiting": standing.waiting,
        "recipients": standing.recipients,
        "troubles": list(standing.troubles),
        "listed": [_lane_told(lane, now) for lane in standing.lanes],
    }


def _lane_told(lane: LaneStanding, now: float) -> Told:
    told = asdict(lane)
    told["dead"], told["crowded"] = told.pop("is_dead"), told.pop("is_crowded")
    return told | {"resting_until": now + lane.rest if lane.rest > 0 else None}
