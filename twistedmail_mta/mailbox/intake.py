"""Takes the octets of a message as they arrive: the header block apart, the body to its writer."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.errors import PermanentError
from twistedmail_mta.interfaces import IBodyWriter
from twistedmail_mta.mail.header import begins_with_field
from twistedmail_mta.mail.structure import BodyScanner, ScannedBody
from twistedmail_mta.mailbox.replies import HEADER_TOO_LARGE
from twistedmail_mta.mailbox.scanning import scan
from twistedmail_mta.model import CRLF, Body

_END_OF_HEADER = b"\r\n\r\n"


class Intake:
    """Splits an arriving message at its empty line.

    The header block is kept in memory, bounded; the body goes to the writer,
    which knows when to turn to a file.  A message whose first line is no header
    field is all body: people type such messages.

    Attributes:
        header: the header block with its empty line, once it is complete; empty
            when the message has none.
        eight_bit: octets above 127 were seen.
    """

    __slots__ = ("_clock", "_head", "_in_body", "_looked", "_max_header", "_scanner", "_writer", "eight_bit", "header")

    def __init__(self, writer: IBodyWriter, max_header: int, clock: IReactorTime | None = None) -> None:
        """Begin a message.

        Args:
            writer: takes the body.
            max_header: octets of the header block.
            clock: if there is one, the parts of the message are found on the
                way, others going on between.
        """
        self.header = b""
        self._clock = clock
        self._scanner: BodyScanner | None = None
        self.eight_bit = False
        self._writer = writer
        self._max_header = max_header
        self._head = bytearray()
        self._looked = 0
        self._in_body = False

    @property
    def in_body(self) -> bool:
        """Whether the header is complete."""
        return self._in_body

    async def add(self, block: bytes) -> None:
        """Take the next octets.

        Raises:
            PermanentError: the header block is larger than allowed.
            TemporaryError: the body can't be stored.
        """
        if not self.eight_bit and not block.isascii():
            self.eight_bit = True
        if not self._in_body:
            self._head += block
            end = self._end_of_header()
            if end is None:
                return
            block = self._begin_body(end)
        await self._add_to_body(block)

    def _end_of_header(self) -> int | None:
        """Return how much of the head is header; None when that can't be told yet."""
        head = self._head
        if not self._looked:
            if CRLF not in head and len(head) <= self._max_header:
                return None  # the first line isn't complete
            if not self._is_header():
                return 0
            if head.startswith(CRLF):
                return len(CRLF)
        end = head.find(_END_OF_HEADER, max(0, self._looked - len(_END_OF_HEADER) + 1))
        if end >= 0:
            return end + len(_END_OF_HEADER)
        if len(head) > self._max_header:
            raise PermanentError(HEADER_TOO_LARGE)
        self._looked = len(head)
        return None

    def _is_header(self) -> bool:
        """Judge by the first line; an empty one is the end of an empty header."""
        return self._head.startswith(CRLF) or begins_with_field(self._head)

    def _begin_body(self, end: int) -> bytes:
        """Close the header; return what of the body came with it."""
        if end > self._max_header:
            raise PermanentError(HEADER_TOO_LARGE)
        self.header = bytes(self._head[:end])
        rest = bytes(self._head[end:])
        self._head.clear()
        self._in_body = True
        if self._clock is not None:
            self._scanner = BodyScanner(self.header)
        return rest

    async def _add_to_body(self, block: bytes) -> None:
        if self._scanner is not None and self._clock is not None:
            await scan(self._scanner, block, self._clock)
        if self._writer.add(block):
            await self._writer.flush()

    async def finish(self) -> Body:
        """Return the body; from then on `header` is complete even if no empty line came."""
        if not self._in_body:
            await self._add_to_body(self._begin_body(len(self._head) if self._is_header() else 0))
        return await self._writer.finish()

    def scanned(self) -> ScannedBody:
        """Return the parts that were found, once the message is complete.

        Raises:
            RuntimeError: they weren't wanted.
        """
        if self._scanner is None:
            raise RuntimeError("the body wasn't scanned")
        return self._scanner.finish()

    def abandon(self) -> None:
        """Forget everything that was taken."""
        self._head.clear()
        self._writer.abandon()
