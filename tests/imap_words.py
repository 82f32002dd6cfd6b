"""Reads what a server says word by word, by the grammar of RFC 9051 section 9 and nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
Ranges = list[tuple[int, int]]

_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
_QUOTED_UTF8 = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"(~?)\{(0|[1-9][0-9]{0,18})\}\r\n")
_NUMBER = re.compile(rb"(?:0|[1-9][0-9]{0,19})(?![0-9])")
_FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_SET = re.compile(rb"[1-9][0-9]{0,9}(?::[1-9][0-9]{0,9})?(?:,[1-9][0-9]{0,9}(?::[1-9][0-9]{0,9})?)*(?![0-9:,*$])")
_DATE_TIME = re.compile(
    rb'"([ 0-3][0-9]-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-[0-9]{4}'
    rb' [0-2][0-9]:[0-5][0-9]:[0-6][0-9] [+-][0-9]{4})"'
)
_KEYWORD = re.compile(rb"[A-Z][A-Z0-9.\-=]*", re.IGNORECASE)
LARGEST, LARGEST_64 = (1 << 32) - 1, (1 << 63) - 1


class Words:
    """A response being read; whatever isn't exactly what is asked for fails the test."""

    def __init__(self, octets: bytes, *, utf8: bool = False) -> None:
        self.octets = octets
        self.place = 0
        self._quoted = _QUOTED_UTF8 if utf8 else _QUOTED
        self._utf8 = utf8

    def _context(self) -> str:
        return f"at {self.octets[max(0, self.place - 60) : self.place]!r} HERE {self.octets[self.place :][:80]!r}"

    def follows(self, octets: bytes) -> bool:
        return self.octets.startswith(octets, self.place)

    def skip(self, octets: bytes) -> bool:
        """Read this if it comes next; return whether it did."""
        found = self.follows(octets)
        self.place += len(octets) if found else 0
        return found

    def expect(self, octets: bytes) -> None:
        assert self.skip(octets), f"no {octets!r} {self._context()}"

    def space(self) -> None:
        self.expect(b" ")

    def end(self) -> None:
        assert self.place == len(self.octets), f"more than there is to be {self._context()}"

    def take(self, expression: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = expression.match(self.octets, self.place)
        assert found is not None, f"no {what} {self._context()}"
        self.place = found.end()
        return found

    def atom(self) -> str:
        return self.take(_ATOM, "atom")[0].decode()

    def keyword(self) -> str:
        """Read a word of the protocol; in capitals."""
        return self.take(_KEYWORD, "word")[0].decode().upper()

    def flag(self) -> str:
        return self.take(_FLAG, "flag")[0].decode()

    def astring(self) -> bytes:
        found = _ASTRING.match(self.octets, self.place)
        if found is None:
            return self.string()
        self.place = found.end()
        return found[0]

    def string(self, *, binary: bool = False) -> bytes:
        """Read a quoted string or a literal; of an encoding or with NUL only where it may be."""
        found = _LITERAL.match(self.octets, self.place)
        if found is not None:
            assert binary or not found[1], f"literal8 {self._context()}"
            self.place = found.end() + int(found[2])
            octets = self.octets[found.end() : self.place]
            assert len(octets) == int(found[2])
            assert found[1] or b"\0" not in octets, f"NUL in a literal {self._context()}"
            return octets
        quoted = self.take(self._quoted, "string")[1]
        if self._utf8:
            quoted.decode()
        return re.sub(rb"\\(.)", rb"\1", quoted)

    def nstring(self, *, binary: bool = False) -> bytes | None:
        return None if self.skip(b"NIL") else self.string(binary=binary)

    def number(self, *, least: int = 0, most: int = LARGEST) -> int:
        value = int(self.take(_NUMBER, "number")[0])
        assert least <= value <= most, f"{value} {self._context()}"
        return value

    def number64(self, *, least: int = 0) -> int:
        return self.number(least=least, most=LARGEST_64)

    def date_time(self) -> str:
        return self.take(_DATE_TIME, "date-time")[1].decode()

    def set(self) -> Ranges:
        """Read a set of numbers without "*"; as ranges, each in order, as they were written."""
        ranges = []
        for term in self.take(_SET, "set")[0].split(b","):
            first, _, last = term.partition(b":")
            begin, end = sorted((int(first), int(last or first)))
            assert end <= LARGEST
            ranges.append((begin, end))
        return ranges

    def items(self, read: Callable[[], T], *, least: int = 0) -> list[T]:
        """Read a list in parentheses."""
        self.expect(b"(")
        found: list[T] = []
        if least or not self.follows(b")"):
            found.append(read())
            while self.skip(b" "):
                found.append(read())
        self.expect(b")")
        return found

    def value(self) -> Any:
        """Read NIL, a number, a string or a list of them, as ENVELOPE and BODYSTRUCTURE are made of."""
        if self.skip(b"NIL"):
            return None
        if _NUMBER.match(self.octets, self.place):
            return self.number64()
        if not self.skip(b"("):
            return self.string()
        found: list[Any] = []
        while not self.skip(b")"):
            if found and not (isinstance(found[-1], list) and self.follows(b"(")):
                self.space()
            found.append(self.value())
        return found

    def raw(self, read: Callable[[], object]) -> bytes:
        """Read something; return its octets as they stand."""
        begin = self.place
        read()
        return self.octets[begin : self.place]


def numbers(ranges: Ranges) -> list[int]:
    """Return every number of a set, in its order; each must be there once."""
    found = [number for first, last in ranges for number in range(first, last + 1)]
    assert len(set(found)) == len(found)
    return found
