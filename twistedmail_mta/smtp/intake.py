"""Reads a body off the wire, event by event: all that follows DATA, or one chunk of BDAT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.body import BodyReader
from twistedmail_mta.smtp.events import BodyBlock, BodyEnd, Chunk
from twistedmail_mta.wire import WireBuffer

MAX_BLOCK: Final = 256 * 1024


@dataclass(slots=True)
class DataIntake:
    """Reads to the lone dot; what follows stays on the wire.

    Attributes:
        typed: the client ends its commands with a bare LF, as `nc` does.  The
            dot that it means as the end is none, and nobody would tell it so.
    """

    wire: WireBuffer
    body: BodyReader
    typed: bool = False
    refusal: None = None

    @property
    def is_hopeless(self) -> bool:
        """Whether reading on isn't worth it, or waits for an end that won't come."""
        return self.body.is_hopeless or self.awaits_other_end

    @property
    def awaits_other_end(self) -> bool:
        """Whether somebody has typed a dot as the end, with line ends that can't make it one."""
        return self.typed and self.body.lone_dot

    def next_event(self) -> BodyBlock | BodyEnd | None:
        """Return what arrived; None when more is needed, or when reading on is hopeless."""
        while self.wire and not self.body.finished and not self.is_hopeless:
            block = self.body.receive_data(self.wire.take(MAX_BLOCK))
            if self.body.finished:
                self.wire.put_back(self.body.unread)
            if block:
                return BodyBlock(block)
        if not self.body.finished or self.is_hopeless:
            return None
        return BodyEnd(self.body.fault, last=True)


@dataclass(slots=True)
class ChunkIntake:
    """Reads the octets of one chunk (RFC 3030 section 2).

    Attributes:
        refusal: why the chunk can't be taken where the session stands; its
            octets come nevertheless, and are dropped.
    """

    wire: WireBuffer
    body: BodyReader
    chunk: Chunk
    refusal: Reply | None = None
    received: int = 0

    def __post_init__(self) -> None:
        self.body.announce(self.chunk.size, self.refusal)

    def next_event(self) -> BodyBlock | BodyEnd | None:
        """Return what arrived; None when more is needed, or when reading on is hopeless."""
        while self.wire and self.received < self.chunk.size and not self.body.is_hopeless:
            octets = self.wire.take(min(MAX_BLOCK, self.chunk.size - self.received))
            self.received += len(octets)
            if block := self.body.receive_chunk(octets):
                return BodyBlock(block)
        if self.received < self.chunk.size or self.body.is_hopeless:
            return None
        if self.chunk.last and (block := self.body.finish()):
            return BodyBlock(block)
        return BodyEnd(self.body.fault, self.chunk.last)
