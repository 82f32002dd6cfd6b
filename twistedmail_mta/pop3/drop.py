"""A maildrop as one session sees it: a snapshot, and what is marked as deleted (RFC 1939 section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from twistedmail_mta.model import DropMessage

SLICE: Final = 1000
"""Lines of a listing made at a time: about half a millisecond's work."""

END: Final = b".\r\n"


class Drop:
    """The messages of a session, numbered from 1.

    Attributes:
        count: of the messages that aren't marked as deleted.
        octets: of those together.
    """

    __slots__ = ("_deleted", "_messages", "_octets", "count", "octets")

    def __init__(self, messages: Sequence[DropMessage], octets: int) -> None:
        """Begin with none deleted.

        Args:
            messages: in the order of their numbers.
            octets: of all of them; they are many, and made when they are asked for.
        """
        self._messages = messages
        self._octets = octets
        self.reset()

    def __len__(self) -> int:
        """Return how many messages there are, the deleted ones included."""
        return len(self._messages)

    def __getitem__(self, number: int) -> DropMessage:
        """Return a message by its number."""
        return self._messages[number - 1]

    def is_deleted(self, number: int) -> bool:
        """Return whether a message is marked as deleted."""
        return number in self._deleted

    def delete(self, number: int) -> None:
        """Mark a message that isn't marked."""
        self._deleted.add(number)
        self.count -= 1
        self.octets -= self._messages[number - 1].size

    def reset(self) -> None:
        """Take all marks away."""
        self._deleted: set[int] = set()
        self.count = len(self._messages)
        self.octets = self._octets

    def deleted(self) -> tuple[int, ...]:
        """Return the UIDs of what is marked, in their order."""
        return tuple(self._messages[number - 1].uid for number in sorted(self._deleted))

    def sizes(self) -> Iterator[bytes]:
        """Return the scan listing (RFC 1939 section 5) in blocks."""
        return self._lines(lambda number, message: f"{number} {message.size}\r\n")

    def uidls(self) -> Iterator[bytes]:
        """Return the unique-id listing (RFC 1939 section 7) in blocks."""
        return self._lines(lambda number, message: f"{number} {message.uidl}\r\n")

    def _lines(self, line: Callable[[int, DropMessage], str]) -> Iterator[bytes]:
        deleted = self._deleted.copy()
        numbered = enumerate(self._messages, 1)
        while block := list(islice(numbered, SLICE)):
            yield "".join([line(*each) for each in block if each[0] not in deleted]).encode("ascii")
        yield END
