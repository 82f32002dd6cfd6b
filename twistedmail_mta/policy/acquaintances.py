"""Whom somebody has written to before: to everybody else he is a stranger, and they are to him.

Addresses are kept as numbers of 64 bits, eight octets each, in two
generations: when the newer is full it becomes the older, and the older is
forgotten but for those that were met again meanwhile.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from twistedmail_mta.model import Address
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.ledger import Ledger, ledger_table

SHARES: Final = 4
"""A row has a share of somebody's acquaintances, so that one more doesn't mean writing all again."""
GENERATION: Final = 2048
"""Acquaintances in a generation of one share."""
MOST_AT_HAND: Final = 2000
MOST_ROWS: Final = SHARES * 50_000
"""The shares of as many accounts as the brake knows; whoever loses his, to him all are strangers."""
KEEP: Final = 400 * 86400.0

_NUMBER: Final = "q"
_WIDTH: Final = 4


class Known:
    """A share of somebody's acquaintances."""

    __slots__ = ("newer", "older")

    def __init__(self, older: array[int], newer: array[int]) -> None:
        self.older = older
        self.newer = newer

    def __contains__(self, number: int) -> bool:
        return _holds(self.newer, number) or _holds(self.older, number)

    def add(self, number: int) -> bool:
        """Add one, or bring it into the newer generation; return whether that changed anything."""
        if _holds(self.newer, number):
            return False
        if len(self.newer) >= GENERATION:
            self.older, self.newer = self.newer, array(_NUMBER)
        insort(self.newer, number)
        return True


def _holds(numbers: array[int], number: int) -> bool:
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number


class _Form:
    def new(self) -> Known:
        return Known(array(_NUMBER), array(_NUMBER))

    def read(self, octets: bytes) -> Known:
        known, split = self.new(), _WIDTH + 8 * int.from_bytes(octets[:_WIDTH], "big")
        known.older.frombytes(octets[_WIDTH:split])
        known.newer.frombytes(octets[split:])
        return known

    def write(self, state: Known) -> bytes:
        if not state.newer:
            return b""
        return len(state.older).to_bytes(_WIDTH, "big") + state.older.tobytes() + state.newer.tobytes()


class Acquaintances:
    """The acquaintances of many, bounded for each and in all."""

    migration: Final = ledger_table("known")

    def __init__(self, kit: Kit) -> None:
        self._shares = Ledger(kit, "known", _Form(), most=MOST_AT_HAND, rows=MOST_ROWS, keep=KEEP)

    async def start(self) -> None:
        """Read who has any."""
        await self._shares.start()

    def rehearse(self, live: Acquaintances) -> None:
        """Know in a dry run whom others know, and meet nobody for good; instead of `start`."""
        self._shares.rehearse(live._shares)

    async def stop(self) -> None:
        """Write what changed."""
        await self._shares.stop()

    async def knows(self, owner: str, address: Address) -> bool:
        """Return whether somebody has met an address.

        Raises:
            TemporaryError: it can't be read now.
        """
        number = number_of(address)
        return number in await self._shares.open(_share(owner, number))

    async def meet(self, owner: str, addresses: Iterable[Address]) -> None:
        """Make addresses somebody's acquaintances.

        Raises:
            TemporaryError: not all of them are.
        """
        for address in addresses:
            number = number_of(address)
            name = _share(owner, number)
            known = await self._shares.open(name)
            if known.add(number):
                self._shares.changed(name, known)


def number_of(address: Address) -> int:
    """Return the number that stands for an address; the local part in any case."""
    text = f"{address.local.lower()}@{address.domain}".encode("utf-8", "replace")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def _share(owner: str, number: int) -> str:
    return f"{owner} {number % SHARES}"
