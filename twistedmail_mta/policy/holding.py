"""Lets clients wait, so many at once and no more: each that waits takes a connection of ours, too."""

from __future__ import annotations

from collections import Counter

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.networks import client_network
from twistedmail_mta.tasks import sleep


class Holding:
    """The clients that wait now; only networks with one are remembered."""

    def __init__(self, clock: IReactorTime, most: int, most_of_network: int, *, waits: bool = True) -> None:
        """Hold nobody yet.

        Args:
            clock: for the waiting.
            most: how many wait at once.
            most_of_network: how many of one IPv4 address or IPv6 /64 do.
            waits: else time is taken to have passed, as in a dry run.
        """
        self._waits = waits
        self._clock = clock
        self._most = most
        self._most_of_network = most_of_network
        self._held: Counter[str] = Counter()
        self._total = 0

    def __len__(self) -> int:
        return self._total

    async def hold(self, host: str, seconds: float) -> bool:
        """Let a client wait; return whether it did, and not at once where too many do."""
        network = client_network(host)
        if self._total >= self._most or self._held[network] >= self._most_of_network:
            return False
        self._total += 1
        self._held[network] += 1
        try:
            if self._waits:
                await sleep(self._clock, seconds)
        finally:
            self._total -= 1
            self._held[network] -= 1
            if not self._held[network]:
                del self._held[network]
        return True
