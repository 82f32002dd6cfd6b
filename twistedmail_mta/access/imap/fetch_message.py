"""A message whose text FETCH tells: its octets by span, whole or in pieces, and its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.imap.sections import Span
from twistedmail_mta.mail.parts import PartTree, read_parts
from twistedmail_mta.mailbox.described import Column
from twistedmail_mta.mailbox.replies import MAILBOX_GONE
from twistedmail_mta.mailbox.rows import Row
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.mailbox.stored import Stored
from twistedmail_mta.model import Body, FileBody, InlineBody

PIECE: Final = 128 * 1024
"""Octets of a file that are read at once."""

HEAD: Final = (Column.PREFIX, Column.HEADER)
BODY: Final = (*HEAD, Column.BODY_SIZE, Column.FILE, Column.OCTETS)


class MessageReader:
    """Makes messages of rows."""

    def __init__(self, store: MailboxStore, columns: Sequence[Column]) -> None:
        """Begin.

        Args:
            store: where the files are read.
            columns: those of the rows, all of `BODY` among them.
        """
        self._store = store
        self._head, self._header, self._size, self._file, self._octets = (columns.index(each) + 1 for each in BODY)
        self._parts = columns.index(Column.PARTS) + 1 if Column.PARTS in columns else 0

    def message(self, row: Row) -> MessageText:
        """Return the message of a row."""
        file = row[self._file]
        body: Body = InlineBody(row[self._octets]) if file is None else FileBody(file, row[self._size])
        parts = row[self._parts] if self._parts else b""
        return MessageText(self._store, Stored(row[self._head] + row[self._header], body, 0), parts)


class MessageText:
    """The octets of one message.

    Attributes:
        head: octets of the header block, the lines of final delivery with it.
        size: octets of the message.
    """

    __slots__ = ("_body", "_packed", "_store", "_stored", "_tree", "head", "size")

    def __init__(self, store: MailboxStore, stored: Stored, packed: bytes) -> None:
        self._store = store
        self._stored = stored
        self._body = stored.body.data if isinstance(stored.body, InlineBody) else None
        self._packed = packed
        self._tree: PartTree | None = None
        self.head = len(stored.head)
        self.size = self.head + stored.body.size

    @property
    def parts(self) -> PartTree:
        """Where its parts lie.

        Raises:
            ValueError: they weren't kept as they should have been.
        """
        if self._tree is None:
            self._tree = read_parts(self._packed)
        return self._tree

    def at_hand(self, span: Span) -> list[bytes] | None:
        """Return the octets of a span, cut anywhere; None where a file has to be read for them."""
        head = self._stored.head
        if span.end <= len(head):
            return [head[span.begin : span.end]]
        body = self._body
        if body is None:
            return None
        begin, end = span.begin - len(head), span.end - len(head)
        if begin >= 0:
            return [body[begin:end]]
        return [head[span.begin :], body[:end]]

    async def read(self, span: Span) -> bytes:
        """Return the octets of a span that isn't long.

        Raises:
            TemporaryError: they can't be read, or are gone.
        """
        pieces = self.at_hand(span)
        return await self._read(span.begin, len(span)) if pieces is None else b"".join(pieces)

    async def pieces(self, span: Span) -> AsyncIterator[bytes]:
        """Yield the octets of a span, none of them empty.

        Raises:
            TemporaryError: they can't be read, or are gone.
        """
        begin = span.begin
        while begin < span.end:
            count = min(PIECE, span.end - begin)
            yield await self.read(Span(begin, begin + count))
            begin += count

    async def _read(self, begin: int, count: int) -> bytes:
        octets = await self._store.read(self._stored, begin, count)
        if len(octets) < count:
            raise TemporaryError(MAILBOX_GONE)
        return octets
