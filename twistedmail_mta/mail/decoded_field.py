"""Header fields as people read them: on one line, encoded words decoded (RFC 2047)."""

from __future__ import annotations

import re
from binascii import a2b_qp
from itertools import islice
from typing import Final

from twistedmail_mta.mail.charset import decoded_text
from twistedmail_mta.mail.parts import Encoding
from twistedmail_mta.mail.transfer_decoding import decoded

MAX_WORDS: Final = 1000
"""Encoded words of a text that are decoded."""

_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
_WORD: Final = re.compile(rb"=\?([!->@-~]{1,80})\?([BbQq])\?([^?\r\n]*+)\?=")
_BLANKS: Final = b" \t\r\n"
_Word = tuple[bytes, bytes]
"""A charset, and what is in it; words that touch and are in the same one make one letter of octets of both."""


def decoded_field(value: bytes) -> str:
    """Return a value, or a whole header block, as text.

    What folds a line becomes one space.  Octets that no encoded word explains
    are UTF-8, or else Windows-1252.
    """
    if b"\n" in value:
        value = _FOLD.sub(b" ", value)
    return _with_words(value) if b"=?" in value else decoded_text(None, value)


def _with_words(value: bytes) -> str:
    texts: list[str] = []
    words: list[_Word] = []
    done = 0
    for found in islice(_WORD.finditer(value), MAX_WORDS):
        between = value[done : found.start()]
        if not words or between.strip(_BLANKS):
            texts += (*_spoken(words), decoded_text(None, between))
            words = []
        words.append(_word(found))
        done = found.end()
    texts += (*_spoken(words), decoded_text(None, value[done:]))
    return "".join(texts)


def _word(found: re.Match[bytes]) -> _Word:
    charset, encoding, text = found.groups()
    octets = decoded(Encoding.BASE64, text) if encoding in b"Bb" else a2b_qp(text, header=True)
    return charset.partition(b"*")[0].lower(), octets  # the language behind a star (RFC 2231 section 5)


def _spoken(words: list[_Word]) -> list[str]:
    """Return what words say that nothing but blanks is between, which count for nothing (RFC 2047 section 6.2)."""
    texts: list[str] = []
    charset, octets = b"", b""
    for next_charset, more in words:
        if next_charset != charset and octets:
            texts.append(decoded_text(charset, octets))
            octets = b""
        charset, octets = next_charset, octets + more
    return [*texts, decoded_text(charset, octets)] if octets else texts
