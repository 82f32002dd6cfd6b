"""Bodies kept in memory, for tests: a store whose writers can be made to wait, or to fail."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from twistedmail_mta.interfaces import IBodyStore, IBodyWriter
from twistedmail_mta.model import InlineBody
from twistedmail_mta.tasks import Promise


@implementer(IBodyWriter)
class MemoryWriter:
    """Keeps a body; remembers whether it was abandoned."""

    def __init__(self, store: MemoryBodies) -> None:
        self.data = bytearray()
        self.abandoned = False
        self._store = store

    @property
    def size(self) -> int:
        return len(self.data)

    def add(self, block: bytes) -> bool:
        self.data += block
        return self._store.flush_after is not None and len(self.data) > self._store.flush_after

    async def flush(self) -> None:
        self._store.flushes += 1
        if self._store.failure is not None:
            raise self._store.failure
        await self._store.gate

    async def finish(self) -> InlineBody:
        return InlineBody(bytes(self.data))

    def abandon(self) -> None:
        self.abandoned = True


@implementer(IBodyStore)
class MemoryBodies:
    """Makes writers, and says when they must flush and whether that works."""

    def __init__(self) -> None:
        self.writers: list[MemoryWriter] = []
        self.flush_after: int | None = None
        self.flushes = 0
        self.failure: Exception | None = None
        self.gate = open_gate()

    def writer(self) -> MemoryWriter:
        self.writers.append(MemoryWriter(self))
        return self.writers[-1]

    async def read(self, body: Any, offset: int, size: int) -> bytes:
        return bytes(body.data[offset : offset + size])

    async def remove(self, names: Any) -> None:
        raise NotImplementedError

    async def sweep(self, named: Any, older_than: float) -> int:
        raise NotImplementedError


def open_gate() -> Promise[None]:
    """A promise that keeps nobody waiting."""
    gate: Promise[None] = Promise()
    gate.resolve(None)
    return gate
