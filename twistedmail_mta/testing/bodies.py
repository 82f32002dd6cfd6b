"""Bodies of messages, kept in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from zope.interface import implementer

from twistedmail_mta.interfaces import IBodyStore, IBodyWriter
from twistedmail_mta.model import Body, InlineBody


@implementer(IBodyWriter)
class MemoryWriter:
    """Takes one body."""

    def __init__(self) -> None:
        self._taken = bytearray()

    @property
    def size(self) -> int:
        """Octets taken so far."""
        return len(self._taken)

    def add(self, block: bytes) -> bool:
        """Take octets; there is always room."""
        self._taken += block
        return False

    async def flush(self) -> None:
        """There is no file."""

    async def finish(self) -> InlineBody:
        """Return the body."""
        return InlineBody(bytes(self._taken))

    def abandon(self) -> None:
        """Forget what was taken."""
        self._taken.clear()


@implementer(IBodyStore)
class MemoryBodies:
    """A store of bodies that are all in memory."""

    def writer(self) -> MemoryWriter:
        """Begin a body."""
        return MemoryWriter()

    async def read(self, body: Body, offset: int, size: int) -> bytes:
        """Return octets of a body."""
        if not isinstance(body, InlineBody):
            raise TypeError("there are no files here")
        return body.data[offset : offset + size]

    async def remove(self, names: Iterable[str]) -> None:
        """There are no files."""

    async def sweep(self, named: Callable[[Sequence[str]], Awaitable[Collection[str]]], older_than: float) -> int:
        """There are no files."""
        del named, older_than
        return 0
