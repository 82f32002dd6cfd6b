"""Decodes content transfer encodings block by block, whatever is wrong with them (RFC 2045 section 6)."""

from __future__ import annotations

import re
from binascii import a2b_base64, a2b_qp
from collections.abc import Callable
from typing import Final, Protocol

from twistedmail_mta.mail.parts import Encoding

MAX_WHITE_SPACE: Final = 1000
"""White space at the end of a line that is dropped; more than a line may hold may stay."""

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_FOREIGN: Final = bytes(set(range(256)) - set(_ALPHABET))
_PADDING: Final = (b"", b"", b"==", b"=")  # by what a group of 4 has already; one letter alone is no octet

_WHITE_BEFORE_END: Final = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n)")
_STRAY: Final = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r?\n)")


class Decoder(Protocol):
    """Turns the body of a part, cut anywhere, into what was encoded; never raises."""

    def decode(self, block: bytes) -> bytes:
        """Return what is known with these octets; a few may have to wait for the next ones."""

    def end(self) -> bytes:
        """Return what still waited; call it once, when there are no more."""


def decoder(encoding: Encoding) -> Decoder:
    """Return a decoder; one that changes nothing where nothing is encoded or nobody knows how."""
    return _DECODERS.get(encoding, Unchanged)()


def decoded(encoding: Encoding, octets: bytes) -> bytes:
    """Return what was encoded in a body that is at hand as a whole."""
    if encoding not in _DECODERS:
        return octets
    whole = decoder(encoding)
    return whole.decode(octets) + whole.end()


class Unchanged:
    """Gives everything as it came."""

    __slots__ = ()

    def decode(self, block: bytes) -> bytes:
        """See `Decoder.decode`."""
        return block

    def end(self) -> bytes:
        """See `Decoder.end`."""
        return b""


class Base64:
    """Decodes base64 (RFC 2045 section 6.8).

    What isn't of the alphabet is passed over, as that section asks.  Padding
    ends a group of four wherever it stands: what was encoded in pieces and put
    together is decoded to its end.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def decode(self, block: bytes) -> bytes:
        """See `Decoder.decode`."""
        text = self._held + block.translate(None, _FOREIGN)
        done = b""
        if b"=" in text:
            *ended, text = text.split(b"=")
            done = b"".join([_group_end(piece) for piece in ended if piece])
        whole = len(text) & ~3
        self._held = text[whole:]
        return done + a2b_base64(text[:whole])

    def end(self) -> bytes:
        """See `Decoder.end`."""
        return _group_end(self._held)


def _group_end(text: bytes) -> bytes:
    """Decode letters whose last group may be short."""
    short = len(text) & 3
    if short == 1:
        text, short = text[:-1], 0
    return a2b_base64(text + _PADDING[short])


class QuotedPrintable:
    """Decodes quoted-printable (RFC 2045 section 6.7).

    White space at the end of a line is dropped, as rule 3 asks; an "=" that
    begins neither an octet nor a soft line break stays as it is.
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def decode(self, block: bytes) -> bytes:
        """See `Decoder.decode`."""
        text = self._held + block
        certain = _certain(text)
        self._held = text[certain:]
        return _unquoted(text[:certain])

    def end(self) -> bytes:
        """See `Decoder.end`."""
        return _unquoted(self._held.rstrip(b" \t").removesuffix(b"="))


def _certain(text: bytes) -> int:
    """Return how many octets mean the same whatever follows them."""
    tail = text[-MAX_WHITE_SPACE:]
    kept = tail.removesuffix(b"\r").rstrip(b" \t")
    if kept[-1:] == b"=":
        kept = kept[:-1]
    elif kept[-2:-1] == b"=":
        kept = kept[:-2]
    elif not kept and len(tail) == MAX_WHITE_SPACE:
        return len(text)
    return len(text) - len(tail) + len(kept)


def _unquoted(text: bytes) -> bytes:
    if b" \r\n" in text or b"\t\r\n" in text or b" \n" in text or b"\t\n" in text:
        text = _WHITE_BEFORE_END.sub(b"", text)
    if _STRAY.search(text):
        text = _STRAY.sub(b"=3D", text)
    return a2b_qp(text)


_DECODERS: Final[dict[Encoding, Callable[[], Decoder]]] = {
    Encoding.BASE64: Base64,
    Encoding.QUOTED_PRINTABLE: QuotedPrintable,
}
