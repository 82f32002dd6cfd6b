"""What an import reads: folders of messages, wherever they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

BLOCK: Final = 1 << 18
"""Octets of a message that are in memory at once, its header aside."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message of another server.

    Attributes:
        source: what it is called there: the same whenever it is met again, and no other message's.
        read: yields its octets in blocks, all line ends CRLF; raises OSError.
        internal_date: seconds since the epoch.
        flags: bits of `mailbox.flags`.
        keywords: other flags, by name.
        uid: its UID there, if it has one.
        uidl: what POP3 calls it there, if that is known.
    """

    source: str
    read: Callable[[], Iterator[bytes]]
    internal_date: int
    flags: int = 0
    keywords: frozenset[str] = frozenset()
    uid: int | None = None
    uidl: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A mailbox of another server.

    Attributes:
        name: levels are separated by "/"; INBOX in capitals.
        messages: in the order of their UIDs, those without one last; read once, as it is iterated over.
        count: how many messages there are.
        uid_validity: there; None when it has none.
        uid_next: the UID that the next message would get there.
        left_out: what can't be imported, and why.
    """

    name: str
    messages: Iterable[Found]
    count: int
    uid_validity: int | None = None
    uid_next: int = 1
    left_out: list[str] = field(default_factory=list)


class LineEnds:
    """Turns LF into CRLF, where it is not that already; blocks may be cut anywhere."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def add(self, block: bytes) -> bytes:
        """Return what is known of the text now."""
        block = self._held + block
        self._held = b"\r" if block.endswith(b"\r") else b""
        return block[: len(block) - len(self._held)].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def end(self) -> bytes:
        """Return what was held back."""
        return self._held


def with_crlf(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Return blocks with all line ends CRLF."""
    ends = LineEnds()
    for block in blocks:
        yield ends.add(block)
    yield ends.end()
