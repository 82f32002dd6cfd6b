"""The networks from which an account sends: which are its own, and how many others there are at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, Final

from twistedmail_mta.networks import address_of

MOST: Final = 64
MOST_UNKNOWN: Final = 32
FRIENDS: Final = 10
"""Recipients known before to whom somebody writes from a network that is his."""
USED: Final = 5
"""Days on which he does; a thief who tries a password weeks before he uses it isn't there so often."""
ENOUGH: Final = 1000
DAY: Final = 86400.0
A_MONTH: Final = 30 * DAY
"""Seconds before a network can be somebody's own: thieves don't wait, and they write to friends of his, too."""
KEEP: Final = 120 * DAY
"""Seconds after which a network that wasn't used again isn't known any more."""
OWN: Final = 1
OWN_REGION: Final = 2
"""As much as two networks in one region: who has two has a line there that changes its address, or a company."""
WITH_FRIENDS: Final = 0.5
"""What an unknown network counts from which friends were written to, too: somebody is on his way."""


@lru_cache(4096)
def place_of(host: str) -> str:
    """Return the network that a client is known by: its IPv4 /24 or IPv6 /48; hosts come and go in it."""
    return _network(host, 24, 48)


@lru_cache(4096)
def region_of(host: str) -> str:
    """Return the network by which networks are counted: IPv4 /16 or IPv6 /32, as large as those of one carrier."""
    return _network(host, 16, 32)


def _network(host: str, v4: int, v6: int) -> str:
    address = address_of(host)
    return host if address is None else str(ip_network((address, v4 if address.version == 4 else v6), strict=False))


@dataclass(slots=True)
class Place:
    """A network, by what was sent from it.

    Attributes:
        region: the larger one that it is in.
        known: recipients that the account had written to before.
        strangers: others.
        since: when it was used first.
        used_at: when it was used last.
        trust: `OWN` if it is the account's, whomever it writes to from there; `OWN_REGION` if all of the region is.
        days: on how many it was used.
    """

    region: str
    known: int
    strangers: int
    since: float
    used_at: float
    trust: int = 0
    days: int = 1

    def is_home(self, now: float) -> bool:
        """Whether it is the account's own."""
        return self.trust > 0 and now - self.used_at < KEEP

    def use(self, known: int, strangers: int, now: float) -> None:
        """Count recipients of a message; who sends to friends from here for long enough is the owner."""
        self.days += int(now // DAY) != int(self.used_at // DAY)
        self.known, self.strangers, self.used_at = self.known + known, self.strangers + strangers, now
        if max(self.known, self.strangers) > ENOUGH:  # what is new shall count
            self.known, self.strangers = self.known // 2, self.strangers // 2
        is_old = now - self.since >= A_MONTH and self.days >= USED
        if is_old and self.known >= FRIENDS and self.known >= self.strangers:
            self.trust = max(self.trust, OWN)


class Places:
    """The networks of one account; those not used for longest go where there are too many."""

    __slots__ = ("_places", "_unknown")

    def __init__(self, places: dict[str, Place], unknown: dict[str, tuple[float, float]]) -> None:
        """Begin with what is known.

        Args:
            places: by network, the one not used for longest first.
            unknown: by region, when there was mail from it last, and when last to friends.
        """
        self._places = places
        self._unknown = unknown

    def has_home(self, now: float) -> bool:
        """Return whether the account has a network of its own; a new one has none."""
        return any(place.is_home(now) for place in self._places.values())

    def is_home(self, host: str, now: float) -> bool:
        """Return whether a client is in one of the account's own networks, or where the account's line changes."""
        place = self._places.get(place_of(host))
        return (place is not None and place.is_home(now)) or self._own_in(region_of(host), now) >= OWN_REGION

    def _own_in(self, region: str, now: float) -> int:
        return sum(place.trust for place in self._places.values() if place.region == region and place.is_home(now))

    def visit(self, host: str, now: float, *, friend: bool) -> None:
        """Note that a client writes to somebody from a network that isn't the account's own."""
        region = region_of(host)
        if self._own_in(region, now):
            return
        _, before = self._unknown.pop(region, (0.0, 0.0))
        self._unknown[region] = (now, now if friend else before)
        if len(self._unknown) > MOST_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]

    def unknown(self, now: float, with_friends: float = WITH_FRIENDS) -> float:
        """Return from how many unknown networks there was mail in the last day.

        Args:
            now: seconds since the epoch.
            with_friends: what one counts from which friends were written to, too.
        """
        return sum(
            with_friends if now - friends_at < DAY else 1.0
            for at, friends_at in self._unknown.values()
            if now - at < DAY
        )

    def note(self, host: str, known: int, strangers: int, now: float, *, trust: bool) -> None:
        """Count recipients of a message that was taken.

        Args:
            host: the client's address.
            known: recipients that the account had written to before.
            strangers: others.
            now: seconds since the epoch.
            trust: the network is the account's.
        """
        name = place_of(host)
        place = self._places.pop(name, None) or Place(region_of(host), 0, 0, now, now)
        place.use(known, strangers, now)
        if trust:
            place.trust = max(place.trust, OWN)
        self._places[name] = place
        if len(self._places) > MOST:
            del self._places[self._least()]

    def _least(self) -> str:
        """Return the network to forget: one that isn't the account's own, if there is any."""
        return next((name for name, place in self._places.items() if not place.trust), next(iter(self._places)))

    def trust(self, now: float) -> None:
        """Make all networks of the last day the account's own, and all of their regions: its line may change there."""
        for place in self._places.values():
            if now - place.used_at < DAY:
                place.trust = OWN_REGION
        self._unknown.clear()

    def written(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        places = {
            name: (each.region, each.known, each.strangers, int(each.since), int(each.used_at), each.trust, each.days)
            for name, each in self._places.items()
        }
        unknown = {name: (int(at), int(friends_at)) for name, (at, friends_at) in self._unknown.items()}
        return {"places": places, "unknown": unknown}

    @classmethod
    def of(cls, written: dict[str, Any]) -> Places:
        """Return what `written` returned."""
        places = {name: Place(*values) for name, values in written["places"].items()}
        return cls(places, {name: (at, friends_at) for name, (at, friends_at) in written["unknown"].items()})
