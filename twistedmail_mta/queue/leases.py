"""What this process holds claims on, and how much of it is in memory."""

from __future__ import annotations


class Leases:
    """Counts the claims held, by message, and the octets held with them.

    Attributes:
        octets: of headers and bodies that are in memory.
    """

    __slots__ = ("_held", "octets")

    def __init__(self) -> None:
        self._held: dict[int, tuple[int, int]] = {}
        self.octets = 0

    @property
    def messages(self) -> int:
        """Return on how many messages claims are held."""
        return len(self._held)

    def count(self, message_id: int) -> int:
        """Return how many claims are held on a message."""
        return self._held.get(message_id, (0, 0))[0]

    def add(self, message_id: int, claims: int, octets: int) -> None:
        """Hold more; what is added for a message is given back with its last claim."""
        held_claims, held_octets = self._held.get(message_id, (0, 0))
        self._held[message_id] = (held_claims + claims, held_octets + octets)
        self.octets += octets

    def end(self, message_id: int, claims: int) -> bool:
        """Hold that many claims less; return whether none is left on the message."""
        held_claims, octets = self._held[message_id]
        if held_claims > claims:
            self._held[message_id] = (held_claims - claims, octets)
            return False
        del self._held[message_id]
        self.octets -= octets
        return True
