"""Weighs what an account does against its normal: each stranger it writes to, and from where, at what time.

Strangers count twice.  All of them fill one vessel, whose size is the account's
own normal.  Those written to from networks that aren't the account's fill
another, which is small for everybody: an account that writes to 300 strangers
a day as a shop does so from its shop.  There each weighs more, the more such
networks there are in a day, and at hours at which the account never sends; and
friends take something away.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from twistedmail_mta.model import Address
from twistedmail_mta.policy.brake_options import BrakeOptions
from twistedmail_mta.policy.habits import LEAST_AWAY, Habits, to_json
from twistedmail_mta.policy.places import Places

FEW_NETWORKS: Final = 2
"""Unknown networks without friends in a day that mean nothing: a hotel, a telephone."""
EACH_NETWORK: Final = 0.5
MOST_FOR_NETWORKS: Final = 3.0
AT_NIGHT: Final = 1.25
AT_NIGHT_AWAY: Final = 1.5
FRIEND: Final = 1 / 3
"""What a friend takes away of that: who is abroad writes to whom he knows, mostly."""
COVERS: Final = 0.1
"""How many strangers each covers for: a newsletter's few new readers among those who have had it before."""
COLLEAGUE: Final = 0.1
"""What a colleague adds who was never written to: who is new writes to some, a thief to all of the house."""
SUSPECT: Final = 5.0
"""How full the vessel of strangers from unknown networks is before failures count there, too."""
SHARE_OF_FAILURES: Final = 0.1


class Kin(Enum):
    """What a recipient is to an account.

    Attributes:
        FRIEND: it has written to him before.
        COLLEAGUE: it hasn't, but he is of the same domain.
        STRANGER: neither.
    """

    FRIEND = "friend"
    COLLEAGUE = "colleague"
    STRANGER = "stranger"


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
        kin: what he is to the account.
        near: to all strangers.
        away: to those from unknown networks.
        at_home: a stranger was counted as the account's own doing.
        covered: a stranger was one of many friends.
    """

    kin: Kin
    near: float = 0.0
    away: float = 0.0
    at_home: bool = False
    covered: bool = False


def weigh(conduct: Conduct, host: str, address: Address, kin: Kin, now: float, *, learning: bool) -> Weight:  # noqa: PLR0913 - what a recipient is
    """Count a recipient.

    Args:
        conduct: the account's; it is changed.
        host: the client's address.
        address: the recipient's.
        kin: what he is to the account.
        now: seconds since the epoch.
        learning: everything is normal.
    """
    habits = conduct.habits
    habits.roll(now)
    habits.by_hour.number += 1
    habits.by_day.number += 1
    at_home = learning or conduct.places.is_home(host, now)
    if not at_home:
        conduct.places.visit(host, now, friend=kin is Kin.FRIEND)
    if kin is Kin.STRANGER and at_home:
        habits.strangers.number += 1
        if learning:
            habits.strangers.peak = max(habits.strangers.peak, habits.strangers.number)
    if learning or kin is Kin.FRIEND:
        return Weight(kin, at_home=at_home)
    weight = _weight(conduct, kin, now, at_home=at_home)
    habits.near.add(weight.near, now, habits.ease)
    habits.away.add(weight.away, now, LEAST_AWAY)
    habits.add_cover(-weight.covered, now)
    if kin is Kin.STRANGER:
        habits.see(now, host, str(address))
    return weight


def _weight(conduct: Conduct, kin: Kin, now: float, *, at_home: bool) -> Weight:
    unusual = conduct.habits.is_unusual(now)
    spread = EACH_NETWORK * max(0.0, conduct.places.unknown(now, with_friends=0.0) - FEW_NETWORKS)
    away = (AT_NIGHT_AWAY if unusual else 1.0) + min(MOST_FOR_NETWORKS, spread)
    if kin is Kin.COLLEAGUE:
        return Weight(kin, away=0.0 if at_home else COLLEAGUE * away)
    covered = not at_home and conduct.habits.is_covered(now)
    return Weight(kin, AT_NIGHT if unusual else 1.0, 0.0 if at_home or covered else away, at_home, covered)


def take_back(conduct: Conduct, weight: Weight, now: float) -> None:
    """Forget a recipient who got nothing."""
    habits = conduct.habits
    habits.roll(now)
    strangers = weight.at_home and weight.kin is Kin.STRANGER
    for count, number in ((habits.by_hour, 1), (habits.by_day, 1), (habits.strangers, strangers)):
        count.number = max(0.0, count.number - number)
    habits.near.add(-weight.near, now, habits.ease)
    habits.away.add(-weight.away, now, LEAST_AWAY)
    habits.add_cover(weight.covered, now)


def take(conduct: Conduct, host: str, weights: Collection[Weight], now: float, *, learning: bool) -> None:
    """Count a message that was taken, by the weights of its recipients."""
    habits, places = conduct.habits, conduct.places
    friends = sum(weight.kin is Kin.FRIEND for weight in weights)
    if friends and not (learning or places.is_home(host, now)):
        habits.away.add(-FRIEND * friends, now, LEAST_AWAY)
        habits.add_cover(COVERS * friends, now)
    strangers = sum(weight.kin is Kin.STRANGER for weight in weights)
    places.note(host, friends, strangers, now, trust=learning)
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
    most_away = options.strangers_away if conduct.places.has_home(now) else options.strangers
    if habits.away.now(now, LEAST_AWAY) > most_away:
        yield "It wrote to recipients it never wrote to before from networks that aren't its own"
    networks = conduct.places.unknown(now)
    if networks >= options.networks:
        yield f"It sent from {networks:.0f} networks within a day that aren't its own"
    failures, sent = habits.failures, max(habits.by_day.number, habits.by_day.last)
    if failures.number > failures.most(options.failures, factor) and failures.number >= SHARE_OF_FAILURES * sent:
        yield f"{failures.number:.0f} recipients failed today (normal: at most {failures.peak:.0f})"
    for count, least, times, period in (
        (habits.by_hour, options.recipients_an_hour, factor, "hour"),
        (habits.by_day, options.recipients_a_day, factor, "day"),
    ):
        if count.number > count.most(least, times):
            yield f"It wrote to {count.number:.0f} recipients this {period} (normal: at most {count.peak:.0f})"
