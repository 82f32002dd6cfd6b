"""Counts the connections of all listeners, in all and for each client network (PURE)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.networks import client_network

TOO_MANY_CONNECTIONS: Final = Reply(421, "4.3.2", "Too many connections, please try again later")
TOO_MANY_FROM_YOU: Final = Reply(421, "4.7.0", "Too many connections from your network")


class Crowd:
    """The clients that are connected now.

    A network is an IPv4 address or an IPv6 /64; only networks with a
    connection are remembered.  Each listener counts its own networks, so that
    submissions from an office don't keep its own mail out.

    Attributes:
        begun: how many were let in since the start, by listener.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._total = 0
        self._by_network: dict[tuple[str, str], int] = {}
        self.begun: dict[str, int] = {}

    def allow(self, most: int) -> None:
        """Let in as many as this from now on; whoever is in stays."""
        self._most = most

    def enter(self, listener: str, host: str, most: int) -> Reply | None:
        """Count a client in; or return why it isn't let in, and count nothing.

        Args:
            listener: where it wants to come in.
            host: its address.
            most: connections that its network may have there.
        """
        place = (listener, client_network(host))
        if self._total >= self._most:
            return TOO_MANY_CONNECTIONS
        if self._by_network.get(place, 0) >= most:
            return TOO_MANY_FROM_YOU
        self._total += 1
        self._by_network[place] = self._by_network.get(place, 0) + 1
        self.begun[listener] = self.begun.get(listener, 0) + 1
        return None

    def leave(self, listener: str, host: str) -> None:
        """Count a client out that `enter` let in."""
        place = (listener, client_network(host))
        self._total -= 1
        left = self._by_network[place] - 1
        if left:
            self._by_network[place] = left
        else:
            del self._by_network[place]
