"""A maildrop as one session sees it: a snapshot, and what is marked as deleted (RFC 1939 section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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

    __slots__ = ("_deleted", "_messages", "_sizes", "_uidls", "count", "octets")

    def __init__(self, messages: Sequence[DropMessage], sizes: Sequence[int], uidls: Iterable[str]) -> None:
        """Begin with none deleted.

        Args:
            messages: in the order of their numbers; they are many, and made when they are asked for.
            sizes: of each of them.
            uidls: likewise.
        """
        self._messages = messages
        self._sizes = sizes
        self._uidls = uidls
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
        self.octets -= self._sizes[number - 1]

    def reset(self) -> None:
        """Take all marks away."""
        self._deleted: set[int] = set()
        self.count = len(self._messages)
        self.octets = sum(self._sizes)

    def deleted(self) -> tuple[int, ...]:
        """Return the UIDs of what is marked, in their order."""
        return tuple(self._messages[number - 1].uid for number in sorted(self._deleted))

    def sizes(self) -> Iterator[bytes]:
        """Return the scan listing (RFC 1939 section 5) in blocks."""
        return self._lines(self._sizes)

    def uidls(self) -> Iterator[bytes]:
        """Return the unique-id listing (RFC 1939 section 7) in blocks."""
        return self._lines(self._uidls)

    def _lines(self, about: Iterable[int | str]) -> Iterator[bytes]:
        """Return a line for each message that isn't deleted now, with its number and something about it."""
        deleted = self._deleted.copy()
        numbered = enumerate(about, 1)
        while block := list(islice(numbered, SLICE)):
            yield "".join([f"{number} {what}\r\n" for number, what in block if number not in deleted]).encode("ascii")
        yield END
