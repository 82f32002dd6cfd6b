"""Items of FETCH that are the text of a message or part: BODY[...], BINARY[...] and their like."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Final, Protocol

from twistedmail_mta.access.imap.fetch_line import ROOM, LineWriter
from twistedmail_mta.access.imap.fetch_message import BODY, MessageText
from twistedmail_mta.access.imap.fetch_values import header_text
from twistedmail_mta.imap.fetch import Binary, BinarySize, Item, Section, Text, Wanted
from twistedmail_mta.imap.fetch_words import label, literal, without_nul
from twistedmail_mta.imap.sections import MAX_HEADER, Span, message_span, part_span
from twistedmail_mta.mail.parts import Encoding, find
from twistedmail_mta.mail.transfer_decoding import decoded, decoder
from twistedmail_mta.mailbox.described import Column

WHOLE: Final = 64 * 1024
"""Octets of an encoded part that are decoded at once."""

_SECTIONS: Final = {Item.RFC822: Section(), Item.RFC822_TEXT: Section(text=Text.TEXT)}


class UnknownEncoding(Exception):
    """A part can't be decoded: nobody knows how."""


class TextItem(Protocol):
    """An item."""

    async def write(self, message: MessageText, line: LineWriter) -> None:
        """Write it.

        Raises:
            UnknownEncoding: there is no such value; nothing was written.
            MailError: the octets can't be read; the item may have begun.
        """


def text_columns(wanted: Wanted) -> tuple[Column, ...]:
    """Return what has to be read for an item."""
    section = _SECTIONS.get(wanted) if isinstance(wanted, Item) else wanted
    return (*BODY, Column.PARTS) if getattr(section, "part", "") else BODY


def sets_seen(wanted: Wanted) -> bool:
    r"""Return whether an item sets \Seen (RFC 9051 section 6.4.5, RFC 3501 section 6.4.5, RFC 3516 section 4.2)."""
    if isinstance(wanted, (Section, Binary)):
        return not wanted.peek
    return wanted in _SECTIONS


def text_item(wanted: Wanted) -> TextItem:
    """Return an item that `value` doesn't know."""
    words = label(wanted)
    match wanted:
        case Binary():
            return BinaryText(wanted, words)
        case BinarySize():
            return DecodedSize(wanted, words)
        case Section(text=Text.FIELDS | Text.FIELDS_NOT):
            return HeaderFields(wanted, words)
        case Section():
            return SectionText(wanted, words)
    return SectionText(_SECTIONS[Item(wanted)], words)


class SectionText:
    """A section that stands in the message as it is sent."""

    def __init__(self, section: Section, words: bytes) -> None:
        self._section = section
        self._words = words

    async def write(self, message: MessageText, line: LineWriter) -> None:
        """See `TextItem.write`."""
        span = _span(self._section, message)
        if span is None:
            line.item(self._words + b" NIL")
            return
        span = span.cut(self._section.partial)
        begin = b"%b {%d}\r\n" % (self._words, len(span))
        pieces = message.at_hand(span)
        if pieces is None:
            await _stream(begin, message.pieces(span), line, nul=False)
            return
        line.item(begin)
        for piece in pieces:
            line.add(without_nul(piece))


class HeaderFields:
    """Chosen fields of a header."""

    def __init__(self, section: Section, words: bytes) -> None:
        self._section = section
        self._words = words
        self._chosen = header_text(section)

    async def write(self, message: MessageText, line: LineWriter) -> None:
        """See `TextItem.write`."""
        span = _span(self._section, message)
        if span is None:
            line.item(self._words + b" NIL")
            return
        if self._section.part:
            span = Span(span.begin, min(span.end, span.begin + MAX_HEADER))
        fields = self._chosen(await message.read(span))
        piece = Span(0, len(fields)).cut(self._section.partial)
        line.item(self._words + b" " + literal(fields[piece.begin : piece.end]))


def _span(section: Section, message: MessageText) -> Span | None:
    if section.part:
        return part_span(section.part, section.text, message.head, message.parts)
    return message_span(section.text, message.head, message.size)


async def _stream(begin: bytes, pieces: AsyncIterator[bytes], line: LineWriter, *, nul: bool) -> None:
    """Write octets as they come, the first of them read before anything is said.

    Args:
        begin: what is before them.
        pieces: the octets, all of them.
        line: where to.
        nul: NUL may be among them; else it is replaced.
    """
    begun = False
    async for piece in pieces:
        if not begun:
            line.item(begin)
            begun = True
        line.add(piece if nul else without_nul(piece))
        if line.size >= ROOM:
            await line.room()
    if not begun:
        line.item(begin)


class BinaryText:
    """A part decoded (RFC 3516 section 4.3)."""

    def __init__(self, binary: Binary, words: bytes) -> None:
        self._binary = binary
        self._words = words

    async def write(self, message: MessageText, line: LineWriter) -> None:
        """See `TextItem.write`."""
        found = _encoded(self._binary.part, message)
        if found is None:
            line.item(self._words + b" NIL")
            return
        span, encoding = found
        if len(span) <= WHOLE:
            octets = decoded(encoding, await message.read(span))
            piece = Span(0, len(octets)).cut(self._binary.partial)
            octets = octets[piece.begin : piece.end]
            line.item(self._begin(len(octets), nul=b"\0" in octets))
            line.add(octets)
            return
        await self._write_large(message, span, encoding, line)

    async def _write_large(self, message: MessageText, span: Span, encoding: Encoding, line: LineWriter) -> None:
        """Decode twice: how many octets there are, and whether NUL is among them, is told before them."""
        piece = Span(0, sys.maxsize).cut(self._binary.partial)
        size, nul = 0, False
        async for octets in _decoded(message, span, encoding):
            nul = nul or b"\0" in octets[max(piece.begin - size, 0) : max(piece.end - size, 0)]
            size += len(octets)
            if size >= piece.end:
                break
            await line.room()
        piece = Span(0, size).cut(self._binary.partial)
        again = _cut(_decoded(message, span, encoding), piece)
        await _stream(self._begin(len(piece), nul=nul), again, line, nul=nul)

    def _begin(self, count: int, *, nul: bool) -> bytes:
        return b"%b %b{%d}\r\n" % (self._words, b"~" if nul else b"", count)


class DecodedSize:
    """How many octets a part has decoded; a part that isn't there has none."""

    def __init__(self, wanted: BinarySize, words: bytes) -> None:
        self._part = wanted.part
        self._words = words

    async def write(self, message: MessageText, line: LineWriter) -> None:
        """See `TextItem.write`."""
        found = _encoded(self._part, message)
        size = 0 if found is None else await _decoded_size(message, *found, line)
        line.item(b"%b %d" % (self._words, size))


def _encoded(number: str, message: MessageText) -> tuple[Span, Encoding] | None:
    """Return where a part lies and how it is encoded; the whole message isn't.

    Raises:
        UnknownEncoding: nobody knows how.
    """
    if not number:
        return Span(0, message.size), Encoding.IDENTITY
    part = find(message.parts, number)
    if part is None:
        return None
    if part.encoding is Encoding.UNKNOWN:
        raise UnknownEncoding
    return Span(message.head + part.begin, message.head + part.end), part.encoding


async def _decoded_size(message: MessageText, span: Span, encoding: Encoding, line: LineWriter) -> int:
    if encoding is Encoding.IDENTITY:
        return len(span)
    size = 0
    async for octets in _decoded(message, span, encoding):
        size += len(octets)
        if len(span) > WHOLE:
            await line.room()
    return size


async def _decoded(message: MessageText, span: Span, encoding: Encoding) -> AsyncIterator[bytes]:
    """Yield the octets of a part decoded, in blocks of the size that may be decoded at once."""
    work = decoder(encoding)
    async for piece in message.pieces(span):
        for start in range(0, len(piece), WHOLE):
            yield work.decode(piece[start : start + WHOLE])
    yield work.end()


async def _cut(blocks: AsyncIterator[bytes], piece: Span) -> AsyncIterator[bytes]:
    """Yield what of these blocks lies within a piece, nothing empty."""
    place = 0
    async for octets in blocks:
        begin = max(piece.begin - place, 0)
        place += len(octets)
        end = len(octets) - max(place - piece.end, 0)
        if begin < end:
            yield octets[begin:end]
        if place >= piece.end:
            return
