"""The text of a message, as a reader sees it: decoded, part by part, out of a body that comes in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from twistedmail_mta.mail.casemap import casemapped
from twistedmail_mta.mail.charset import TextDecoder
from twistedmail_mta.mail.content_type import TEXT_PLAIN, ContentType, content_type
from twistedmail_mta.mail.decoded_field import decoded_field
from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.needles import Needles
from twistedmail_mta.mail.parts import Nesting, Part, PartTree
from twistedmail_mta.mail.transfer_decoding import Decoder, Unchanged, decoder

MAX_HEADER: Final = 64 * 1024
"""Octets of a part's header that are looked at."""
STRIDE: Final = 32 * 1024
"""Octets that are decoded at once."""

_TYPE: Final = b"content-type"
_TEXTUAL: Final = {b"text", b"message"}
"""Types that searches may not pass over (RFC 9051 section 6.4.4): reports and partial messages are of the second."""
_CACHED: Final = 200
"""Octets of a header that may come again: those of parts are short and made by few programs."""


class _Stretch(NamedTuple):
    """Octets of a body that belong together: the header of a part, or the body of one without parts inside.

    Attributes:
        part: whose.
        begin: where they begin.
        end: where they end.
        is_header: which of both they are.
    """

    part: Part
    begin: int
    end: int
    is_header: bool


def look_at_header(needles: Needles, header: bytes) -> None:
    """Look for texts in a header block: in each field, its name included, unfolded and decoded."""
    needles.look(casemapped(decoded_field(header)))
    needles.cut()


class BodyText:
    """Looks for texts in a body that comes in blocks, cut anywhere; never raises.

    Looked at are the parts of type text and message, decoded; of others nothing
    is needed.

    Attributes:
        wanted: the place in the body of the next octet that is needed.
    """

    __slots__ = ("_charset", "_decoder", "_header", "_headers", "_needles", "_stretch", "_stretches", "wanted")

    def __init__(self, needles: Needles, header: bytes, tree: PartTree, *, headers: bool) -> None:
        """Begin.

        Args:
            needles: what is looked for.
            header: of the message.
            tree: its parts.
            headers: those of parts, and of messages inside, are looked at too.
        """
        self.wanted = 0
        self._needles = needles
        self._headers = headers
        self._header = header
        self._stretches = _stretches(tree)
        self._decoder: Decoder = Unchanged()
        self._charset: TextDecoder | None = None
        self._stretch: _Stretch | None = None
        self._next()

    @property
    def done(self) -> bool:
        """Whether nothing can come any more that is worth a look."""
        return self._stretch is None or not self._needles.missing

    def look(self, block: bytes, at: int) -> None:
        """Look at octets of the body; `at` is their place, `wanted` or before it."""
        end = at + len(block)
        while (stretch := self._stretch) is not None and self.wanted < end:
            piece = block[self.wanted - at : stretch.end - at]
            if stretch.is_header:
                self._header = (self._header + piece)[:MAX_HEADER]
            else:
                self._look_at_text(piece)
            if stretch.end > end:
                self.wanted = end
                return
            self._finish(stretch)

    def end(self) -> None:
        """Hear that the body is over, if it is shorter than its parts say."""
        while self._stretch is not None:
            self._finish(self._stretch)

    def _finish(self, stretch: _Stretch) -> None:
        if stretch.is_header:
            if self._headers:
                look_at_header(self._needles, self._header)
        elif self._charset is not None:
            self._needles.look(casemapped(self._charset.decode(self._decoder.end(), final=True)))
            self._needles.cut()
        self._next()

    def _next(self) -> None:
        """Go on to the next stretch that is needed."""
        for stretch in self._stretches:
            if stretch.is_header:
                self._header = b""
            if (stretch.is_header or self._begins_text(stretch)) and stretch.end > stretch.begin:
                self._stretch, self.wanted = stretch, stretch.begin
                return
        self._stretch = None

    def _begins_text(self, stretch: _Stretch) -> bool:
        """Return whether a part, whose header was seen, is text, and get ready for it."""
        kind = (_known_type if len(self._header) <= _CACHED else _type)(self._header)
        if kind.type.lower() not in _TEXTUAL:
            return False
        self._charset = TextDecoder(kind.parameter(b"charset"))
        self._decoder = decoder(stretch.part.encoding)
        return True

    def _look_at_text(self, octets: bytes) -> None:
        """Decode and search octets, cut so that other threads go on in between."""
        for start in range(0, len(octets), STRIDE):
            self._look_at_stride(octets[start : start + STRIDE] if len(octets) > STRIDE else octets)

    def _look_at_stride(self, octets: bytes) -> None:
        charset = self._charset
        if charset is None:
            return
        octets = self._decoder.decode(octets)
        if charset.keeps_ascii and octets.isascii() and not charset.waits:
            self._needles.look(octets.upper())
        else:
            self._needles.look(casemapped(charset.decode(octets)))


def _stretches(message: PartTree) -> Iterator[_Stretch]:
    """Yield what a message is made of, in its order; its own header isn't in its body."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        if part is not message:
            yield _Stretch(part, part.header, part.begin, is_header=True)
        if part.nesting is Nesting.LEAF:
            yield _Stretch(part, part.begin, part.end, is_header=False)
        waiting.extend(reversed(part.children))


def _type(header: bytes) -> ContentType:
    value = Header(header).get(_TYPE)
    return TEXT_PLAIN if value is None else _kind(unfolded(value))


_known_type = lru_cache(maxsize=1024)(_type)
_kind = lru_cache(maxsize=1024)(content_type)
