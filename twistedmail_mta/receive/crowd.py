"""Counts the connections of a listener, in all and for each client network."""

from __future__ import annotations

from twistedmail_mta.model import Reply
from twistedmail_mta.networks import client_network
from twistedmail_mta.receive.replies import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_YOU


class Crowd:
    """The clients that are connected now.

    A network is an IPv4 address or an IPv6 /64; only networks with a
    connection are remembered.
    """

    def __init__(self, most: int, most_per_network: int) -> None:
        self._most = most
        self._most_per_network = most_per_network
        self._total = 0
        self._by_network: dict[str, int] = {}

    def enter(self, host: str) -> Reply | None:
        """Count a client in; or return why it isn't let in, and count nothing."""
        network = client_network(host)
        if self._total >= self._most:
            return TOO_MANY_CONNECTIONS
        if self._by_network.get(network, 0) >= self._most_per_network:
            return TOO_MANY_FROM_YOU
        self._total += 1
        self._by_network[network] = self._by_network.get(network, 0) + 1
        return None

    def leave(self, host: str) -> None:
        """Count a client out that `enter` let in."""
        network = client_network(host)
        self._total -= 1
        left = self._by_network[network] - 1
        if left:
            self._by_network[network] = left
        else:
            del self._by_network[network]
