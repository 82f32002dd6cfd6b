"""Mailbox names as clients write them, and the patterns of LIST (RFC 9051 section 5.1, RFC 9051 section 6.3.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.mail import modified_utf7

SEPARATOR: Final = "/"
INBOX: Final = "INBOX"
LONGEST_PATTERN: Final = 1000
"""Characters, wildcards apart, of a pattern that can match: no mailbox has a longer name."""


def decode_name(octets: bytes, *, utf8: bool) -> str:
    """Return the name that a client wrote, its first level in capitals if that is INBOX.

    Args:
        octets: an astring's.
        utf8: UTF8=ACCEPT or IMAP4rev2 was enabled, so "&" is a letter as any
            other (RFC 6855 section 3); else it is modified UTF-7 (RFC 3501 section 5.1.3).

    Raises:
        ValueError: it is neither; the text says what is wrong.
    """
    if utf8:
        try:
            return fold_inbox(octets.decode())
        except UnicodeDecodeError:
            raise ValueError("the name isn't UTF-8") from None
    try:
        return fold_inbox(modified_utf7.decode(octets.decode("ascii")))
    except ValueError:
        raise ValueError("the name isn't modified UTF-7") from None


def encode_name(name: str, *, utf8: bool) -> bytes:
    """Return a name as this client is to read it; what string that takes is another's to say."""
    return name.encode() if utf8 else modified_utf7.encode(name).encode()


def quoted_name(name: str, *, utf8: bool) -> bytes:
    """Return a name as a quoted string, which may hold UTF-8 where the client understands it (RFC 6855 section 3)."""
    octets = encode_name(name, utf8=utf8)
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def fold_inbox(name: str) -> str:
    """Return the name with its first level in capitals if that is INBOX in any case (RFC 9051 section 5.1)."""
    first, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if _is_inbox(first) else name


def parents(name: str) -> Iterator[str]:
    """Yield the names above this one, the highest first."""
    end = name.find(SEPARATOR)
    while end >= 0:
        yield name[:end]
        end = name.find(SEPARATOR, end + 1)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Names with wildcards, as `read_patterns` makes it.

    All places in the patterns that the characters read so far may have led to
    are kept as the bits of one number: so each character of a name costs the
    same, whatever the wildcards, and about the same for many patterns as for one.
    """

    _begin: int
    _letters: Mapping[str, int]
    _anything: int
    _within: int
    _end: int

    def matches(self, name: str) -> bool:
        """Return whether this name, INBOX in capitals, is one that a pattern stands for."""
        folded = len(INBOX) if _is_inbox(name.partition(SEPARATOR)[0]) else 0
        letters, anything, within = self._letters, self._anything, self._within
        rest_matches = self._end & anything  # at the end of a pattern stands "*"
        places = self._begin
        for index, character in enumerate(name):
            if not places or places & rest_matches:
                break
            fitting = letters.get(character, 0)
            if index < folded:
                fitting |= letters.get(character.lower(), 0)
            stay = anything if character == SEPARATOR else within
            places = ((places & fitting) << 1) | (places & stay)
        return bool(places & self._end)

    def matching_parents(self, name: str) -> Iterator[int]:
        """Yield where in this name those above it end that a pattern stands for, the highest first."""
        folded = len(INBOX) if _is_inbox(name.partition(SEPARATOR)[0]) else 0
        places = self._begin
        for index, character in enumerate(name):
            if not places:
                break
            fitting = self._letters.get(character, 0)
            if index < folded:
                fitting |= self._letters.get(character.lower(), 0)
            stay = self._within
            if character == SEPARATOR:
                stay = self._anything
                if places & self._end:
                    yield index
            places = ((places & fitting) << 1) | (places & stay)


def read_patterns(texts: Iterable[str]) -> Pattern:
    """Return what stands for all that any of these patterns stands for.

    In each "*" stands for anything, "%" for anything within a level (RFC 9051 section 6.3.9).

    Args:
        texts: decoded, the reference before each; none of those that are too long can match.
    """
    letters: dict[str, int] = {}
    place, begin, anything, within, end = 1, 0, 0, 0, 0
    for text in texts:
        if len(text) - text.count("*") - text.count("%") > LONGEST_PATTERN:
            continue
        begin |= place
        for character in text:
            if character == "*":
                anything |= place
            elif character == "%":
                within |= place
            else:
                letters[character] = letters.get(character, 0) | place
                place <<= 1
        end |= place
        place <<= 1
    return Pattern(begin, letters, anything, anything | within, end)


def _is_inbox(level: str) -> bool:
    return level.isascii() and level.upper() == INBOX
