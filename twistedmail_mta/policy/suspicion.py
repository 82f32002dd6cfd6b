"""Weighs what an account does against its normal: each stranger it writes to, and from where, at what time.

Strangers count twice.  All of them fill one vessel, whose size is the account's
own normal.  Those written to from networks that aren't the account's fill
another, which is small for everybody: an account that writes to 300 strangers
a day as a shop does so from its shop.  There each weighs more, the more such
networks there are in a day, and at hours at which the account never sends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.model import Address
from twistedmail_mta.policy.brake_options import BrakeOptions
from twistedmail_mta.policy.habits import LEAST_AWAY, Habits, to_json
from twistedmail_mta.policy.places import Places

FEW_NETWORKS: Final = 2
"""Unknown networks in a day that mean nothing: a hotel, a telephone."""
EACH_NETWORK: Final = 0.5
MOST_FOR_NETWORKS: Final = 3.0
AT_NIGHT: Final = 1.25
AT_NIGHT_AWAY: Final = 1.5
FRIEND: Final = 0.5
"""What a recipient who isn't a stranger takes away of that: who is abroad writes to whom he knows, mostly."""
SUSPECT: Final = 5.0
"""How full the vessel of strangers from unknown networks is before failures count there, too."""
SHARE_OF_FAILURES: Final = 0.1


@dataclass(slots=True)
class Conduct:
    """All that is known of one account."""

    habits: Habits = field(default_factory=Habits)
    places: Places = field(default_factory=lambda: Places({}, {}))


class ConductForm:
    """How a ledger writes conduct."""

    def new(self) -> Conduct:
        """Return what is known of an account that nobody has seen."""
        return Conduct()

    def read(self, octets: bytes) -> Conduct:
        """Return what `write` wrote."""
        written = json.loads(octets)
        return Conduct(Habits.of(written["habits"]), Places.of(written["places"]))

    def write(self, state: Conduct) -> bytes:
        """Return octets."""
        return to_json({"habits": state.habits.written(), "places": state.places.written()})


@dataclass(frozen=True, slots=True)
class Weight:
    """What one recipient has added, so that it can be taken back.

    Attributes:
        near: to all strangers.
        away: to those from unknown networks.
        at_home: a stranger was counted as the account's own doing.
    """

    near: float = 0.0
    away: float = 0.0
    at_home: bool = False


def weigh(conduct: Conduct, host: str, stranger: Address | None, now: float, *, learning: bool) -> Weight:
    """Count a recipient.

    Args:
        conduct: the account's; it is changed.
        host: the client's address.
        stranger: the recipient, if the account never wrote to it before.
        now: seconds since the epoch.
        learning: everything is normal.
    """
    habits, places = conduct.habits, conduct.places
    habits.roll(now)
    habits.by_hour.number += 1
    habits.by_day.number += 1
    at_home = learning or places.is_home(host, now)
    networks = 0 if at_home else places.visit(host, now)
    if stranger is None:
        return Weight()
    habits.strangers.number += at_home
    if learning:
        return Weight(at_home=True)
    unusual = habits.is_unusual(now)
    near, away = AT_NIGHT if unusual else 1.0, 0.0
    if not at_home:
        spread = EACH_NETWORK * max(0, networks - FEW_NETWORKS)
        away = (AT_NIGHT_AWAY if unusual else 1.0) + min(MOST_FOR_NETWORKS, spread)
    habits.near.add(near, now, habits.ease)
    habits.away.add(away, now, LEAST_AWAY)
    habits.see(now, host, str(stranger))
    return Weight(near, away, at_home)


def take_back(conduct: Conduct, weight: Weight, now: float) -> None:
    """Forget a recipient who got nothing."""
    habits = conduct.habits
    habits.roll(now)
    for count, number in ((habits.by_hour, 1), (habits.by_day, 1), (habits.strangers, weight.at_home)):
        count.number = max(0.0, count.number - number)
    habits.near.add(-weight.near, now, habits.ease)
    habits.away.add(-weight.away, now, LEAST_AWAY)


def take(conduct: Conduct, host: str, recipients: Iterable[bool], now: float, *, learning: bool) -> None:
    """Count a message that was taken, with recipients of whom each is a stranger or not."""
    strangers, habits, places = list(recipients), conduct.habits, conduct.places
    known = strangers.count(False)
    if known and not (learning or places.is_home(host, now)):
        habits.away.add(-FRIEND * known, now, LEAST_AWAY)
    places.note(host, known, len(strangers) - known, now, trust=learning)
    habits.hours[int(now // 3600) % 24] += 1


def fail(conduct: Conduct, now: float) -> None:
    """Count a recipient that failed for good: whoever sends spam has bought addresses."""
    habits = conduct.habits
    habits.roll(now)
    habits.failures.number += 1
    if habits.away.now(now, LEAST_AWAY) >= SUSPECT:
        habits.away.add(1.0, now, LEAST_AWAY)


def reasons(conduct: Conduct, options: BrakeOptions, now: float) -> Iterator[str]:
    """Yield what is no longer normal, in words; nothing when all is."""
    habits, factor = conduct.habits, options.factor
    strangers = habits.strangers
    if habits.near.now(now, habits.ease) > habits.most_strangers(options.strangers, factor):
        yield (
            f"It wrote to {habits.near.level:.0f} recipients it never wrote to before, more than it can get to know "
            f"(normal: {habits.mean:.1f} a day, at most {strangers.peak:.0f})"
        )
    if habits.away.now(now, LEAST_AWAY) > options.strangers_away:
        yield "It wrote to recipients it never wrote to before from networks that aren't its own"
    networks = conduct.places.unknown(now)
    if networks >= options.networks:
        yield f"It sent from {networks} networks within a day that aren't its own"
    failures, sent = habits.failures, max(habits.by_day.number, habits.by_day.last)
    if failures.number > failures.most(options.failures, factor) and failures.number >= SHARE_OF_FAILURES * sent:
        yield f"{failures.number:.0f} recipients failed today (normal: at most {failures.peak:.0f})"
    for count, least, times, period in (
        (habits.by_hour, options.recipients_an_hour, factor, "hour"),
        (habits.by_day, options.recipients_a_day, factor, "day"),
    ):
        if count.number > count.most(least, times):
            yield f"It wrote to {count.number:.0f} recipients this {period} (normal: at most {count.peak:.0f})"
