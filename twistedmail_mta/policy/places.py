"""The networks from which an account sends: which are its own, and how many others there are at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Any, Final

from twistedmail_mta.networks import address_of

MOST: Final = 64
MOST_UNKNOWN: Final = 16
FRIENDS: Final = 3
"""Recipients known before to whom somebody writes from a network that is his."""
A_NIGHT: Final = 20 * 3600.0
"""Seconds before a network can be somebody's own: thieves don't wait."""
ENOUGH: Final = 1000
DAY: Final = 86400.0
A_MONTH: Final = 30 * DAY
KEEP: Final = 120 * DAY
"""Seconds after which a network that wasn't used again isn't known any more."""


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
        known: recipients that the account had written to before.
        strangers: others.
        since: when it was used first.
        used_at: when it was used last.
        is_trusted: it is the account's, whomever it writes to from there.
    """

    known: int
    strangers: int
    since: float
    used_at: float
    is_trusted: bool = False

    def is_home(self, now: float) -> bool:
        """Whether it is the account's: who has stolen a password writes to strangers, its owner to whom he knows."""
        if now - self.used_at >= KEEP:
            return False
        return self.is_trusted or (
            now - self.since >= A_NIGHT and self.known >= FRIENDS and self.known >= self.strangers
        )


class Places:
    """The networks of one account; those not used for longest go where there are too many."""

    __slots__ = ("_places", "_unknown")

    def __init__(self, places: dict[str, Place], unknown: dict[str, float]) -> None:
        self._places = places
        self._unknown = unknown

    def is_home(self, host: str, now: float) -> bool:
        """Return whether a client is in one of the account's own networks."""
        place = self._places.get(place_of(host))
        return place is not None and place.is_home(now)

    def visit(self, host: str, now: float) -> int:
        """Note that a client in an unknown network sends; return from how many such it was in a day."""
        self._unknown.pop(region := region_of(host), None)
        self._unknown[region] = now
        if len(self._unknown) > MOST_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        return self.unknown(now)

    def unknown(self, now: float) -> int:
        """Return from how many unknown networks there was mail in the last day."""
        return sum(now - at < DAY for at in self._unknown.values())

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
        place = self._places.pop(name, None) or Place(0, 0, now, now)
        place.known, place.strangers = place.known + known, place.strangers + strangers
        if max(place.known, place.strangers) > ENOUGH:  # what is new shall count
            place.known, place.strangers = place.known // 2, place.strangers // 2
        place.is_trusted |= trust or (now - place.since >= A_MONTH and place.is_home(now))
        place.used_at = now
        self._places[name] = place
        if len(self._places) > MOST:
            del self._places[next(iter(self._places))]

    def trust(self, now: float) -> None:
        """Make all networks of the last day the account's own."""
        for place in self._places.values():
            if now - place.used_at < DAY:
                place.is_trusted = True
        self._unknown.clear()

    def written(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        places = {
            name: (each.known, each.strangers, int(each.since), int(each.used_at), each.is_trusted)
            for name, each in self._places.items()
        }
        return {"places": places, "unknown": {name: int(at) for name, at in self._unknown.items()}}

    @classmethod
    def of(cls, written: dict[str, Any]) -> Places:
        """Return what `written` returned."""
        return cls({name: Place(*values) for name, values in written["places"].items()}, written["unknown"])
