"""Puts words behind the text of one body part, in its own charset and encoding (PURE)."""

from __future__ import annotations

import quopri
import re
from base64 import encodebytes
from binascii import Error, a2b_base64, a2b_qp
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.mail.content_type import ContentType
from twistedmail_mta.model import CRLF

CHARSETS: Final = frozenset(
    {"us-ascii", "utf-8", "windows-1250", "windows-1251", "windows-1252", "koi8-r"}
    | {f"iso-8859-{number}" for number in (1, 2, 5, 7, 9, 15)}
)
"""Those in which the octets of ASCII are ASCII, and any text can follow any other."""

_AS_IT_IS: Final = frozenset({b"7bit", b"8bit", b"binary"})
_PGP: Final = re.compile(rb"(?:\A|[\n>])-----BEGIN PGP ")
_STUFFED: Final = re.compile(r"^(?=[ >]|From )", re.MULTILINE)
_ENDS: Final = (re.compile(rb"</body[\s>]", re.IGNORECASE), re.compile(rb"</html[\s>]", re.IGNORECASE))
_LOOKED_AT: Final = 20
"""Ends of an HTML text that are looked at; others may stand in comments."""


def _quoted_pattern(tag: str) -> re.Pattern[bytes]:
    """Return what finds an end tag in quoted-printable, broken lines and needless quoting in it."""
    letters = [f"(?:{re.escape(letter)}|=(?:{ord(letter):02x}|{ord(letter.upper()):02x}))" for letter in tag]
    behind = r"(?:[\s>]|=(?:3e|20|09|0d|0a))"
    return re.compile(r"(?:=[ \t]*+\r?\n)*+".join((*letters, behind)).encode(), re.IGNORECASE)


_QUOTED_ENDS: Final = (_quoted_pattern("</body"), _quoted_pattern("</html"))


class Unfit(Exception):
    """The words can't be put there without harm."""


@dataclass(frozen=True, slots=True)
class Words:
    """What is put behind messages.

    Attributes:
        text: its lines ended by CRLF.
        html: the same for HTML.
    """

    text: str
    html: str


def footed_part(kind: ContentType, encoding: bytes, octets: bytes, words: Words, *, inside: bool) -> bytes:
    """Return the body of a part with words behind its text; what was there stays, and they are in one piece.

    What is in base64 is decoded, and encoded anew.

    Args:
        kind: text/plain or text/html.
        encoding: its Content-Transfer-Encoding, in lower case.
        octets: as they came.
        words: what is put there.
        inside: it is a part of a multipart, whose boundary brings the last line end.

    Raises:
        Unfit: it can't be.
    """
    html = kind.subtype.lower() == b"html"
    said = _encoded(kind, words, html=html, seven_bit=encoding == b"7bit")
    if encoding == b"base64":
        new = _in_base64(_from_base64(octets), said, html=html)
        return new.removesuffix(CRLF) if inside else new
    if encoding not in _AS_IT_IS and encoding != b"quoted-printable":
        raise Unfit
    quoted = encoding == b"quoted-printable"
    _refuse_pgp(a2b_qp(octets) if quoted else octets)
    place = _end(octets, _QUOTED_ENDS if quoted else _ENDS) if html else None
    if quoted:
        said = quopri.encodestring(said.replace(CRLF, b"\n")).replace(b"\n", CRLF)
    if place is None and inside:
        said = said.removesuffix(CRLF)
    return _put(octets, said, place, glue=b"=\r\n" if quoted else CRLF)


def _encoded(kind: ContentType, words: Words, *, html: bool, seven_bit: bool) -> bytes:
    charset = (kind.parameter(b"charset") or b"us-ascii").decode("ascii", "replace").lower()
    if charset not in CHARSETS:
        raise Unfit
    text = words.html if html else words.text
    if not html and (kind.parameter(b"format") or b"").lower() == b"flowed":
        text = _STUFFED.sub(" ", text)  # RFC 3676 section 4.4
    try:
        return text.encode("ascii" if seven_bit else charset, "xmlcharrefreplace" if html else "strict")
    except UnicodeEncodeError:
        raise Unfit from None


def _refuse_pgp(text: bytes) -> None:
    """Leave alone what PGP has signed or encrypted within the text."""
    if _PGP.search(text):
        raise Unfit


def _from_base64(octets: bytes) -> bytes:
    try:
        return a2b_base64(octets.translate(None, b" \t\r\n"), strict_mode=True)
    except Error:
        raise Unfit from None


def _in_base64(text: bytes, said: bytes, *, html: bool) -> bytes:
    _refuse_pgp(text)
    line_end = b"\n" if b"\n" in text and CRLF not in text else CRLF
    new = _put(text, said.replace(CRLF, line_end), _end(text, _ENDS) if html else None, line_end, line_end)
    return encodebytes(new).replace(b"\n", CRLF)


def _put(octets: bytes, said: bytes, place: int | None, glue: bytes = CRLF, line_end: bytes = CRLF) -> bytes:
    """Put words at a place, or behind all else below an empty line.

    Args:
        octets: what is there.
        said: the words.
        place: where they go; None: behind.
        glue: what ends the line in which the place is.
        line_end: of the text.
    """
    if place is None:
        ended = octets.endswith(b"\n") or not octets
        return octets + (b"" if ended else line_end) + line_end + said
    begins_line = not place or octets[place - 1 : place] == b"\n"
    return octets[:place] + (b"" if begins_line else glue) + said + octets[place:]


def _end(octets: bytes, patterns: tuple[re.Pattern[bytes], ...]) -> int | None:
    """Return where the visible text of HTML ends: before the last end of its body that isn't in a comment."""
    for pattern in patterns:
        places = [found.start() for found in pattern.finditer(octets)]
        for place in reversed(places[-_LOOKED_AT:]):
            comment = octets.rfind(b"<!--", 0, place)
            if comment < 0 or octets.find(b"-->", comment, place) >= 0:
                return place
    return None
