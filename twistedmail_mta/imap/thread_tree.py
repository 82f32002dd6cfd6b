"""Threads as trees, and how they are told (RFC 5256 section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

_PIECE: Final = 4000
"""Words of an answer that are put together at once: about a millisecond of work."""


@dataclass(frozen=True, slots=True)
class Threadable:
    """What is known of a message.

    Attributes:
        sent: seconds since the epoch.
        subject: the base subject, casemapped.
        answers: the subject is that of a reply or a forwarded message.
        id: its Message-ID, if it has one.
        references: Message-IDs of those it descends from, the oldest first.
    """

    sent: int
    subject: bytes
    answers: bool = False
    id: bytes | None = None
    references: Sequence[bytes] = ()


class Node:
    """A message in a thread, or a place where one is missing.

    Attributes:
        number: what the client calls the message; 0 where it is missing.
        message: what is known of it.
        parent: what it answers.
        children: what answers it.
    """

    __slots__ = ("children", "message", "number", "parent")

    def __init__(self, number: int = 0, message: Threadable | None = None) -> None:
        self.number = number
        self.message = message
        self.parent: Node | None = None
        self.children: dict[Node, None] = {}

    @property
    def known(self) -> Threadable:
        """What is known of the message, or of the first of those below where it is missing."""
        node = self
        while node.message is None:
            node = next(iter(node.children))
        return node.message

    def adopt(self, child: Node) -> None:
        """Make a message a child of this one, and of no other."""
        child.leave()
        child.parent = self
        self.children[child] = None

    def leave(self) -> None:
        """Be the child of none."""
        if self.parent is not None:
            del self.parent.children[self]
            self.parent = None


def thread_line(threads: Iterable[Node]) -> Iterator[bytes]:
    """Yield the THREAD response in pieces."""
    words = _words(threads)
    yield b"* THREAD"
    before = b" "
    while some := b"".join(islice(words, _PIECE)):
        yield before + some
        before = b""
    yield b"\r\n"


def _words(threads: Iterable[Node]) -> Iterator[bytes]:
    """Yield numbers and parentheses: a message and its only child stand side by side, several in lists of their own."""
    waiting: list[Node | None] = [*reversed(list(threads))]
    while waiting:
        node = waiting.pop()
        if node is None:
            yield b")"
            continue
        yield b"("
        if node.number:
            yield b"%d" % node.number
            while len(node.children) == 1:
                node = next(iter(node.children))
                yield b" %d" % node.number
            if node.children:
                yield b" "
        waiting.append(None)
        waiting.extend(reversed(node.children))
