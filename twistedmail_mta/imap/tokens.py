"""Reads a command word by word: atoms, strings, numbers, lists, dates (RFC 9051 section 9)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final, TypeVar

from twistedmail_mta.imap import names
from twistedmail_mta.imap.reader import Literal, Part
from twistedmail_mta.imap.sequences import LARGEST, SequenceSet, parse_set

MAX_DEPTH: Final = 100
"""Parentheses, NOT and OR within one another; clients that look for many things write long rows of OR."""
MAX_ITEMS: Final = 1000
"""Items of a list: so no command is worth more than a few milliseconds of reading."""
LARGEST_64: Final = (1 << 63) - 1
"""The largest number64 and mod-sequence (RFC 9051 section 9, RFC 7162 section 7)."""

_ATOM: Final = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
_ASTRING: Final = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_PATTERN: Final = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_QUOTED: Final = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*+)"')
_ESCAPED: Final = re.compile(rb"\\(.)")
_KEYWORD: Final = re.compile(rb"[A-Za-z0-9.\-=_:]++")
_NUMBER: Final = re.compile(rb"[0-9]{1,20}+")
_SET: Final = re.compile(rb"[0-9:*,$]++")
_FLAG: Final = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
_DATE: Final = re.compile(rb'("?)([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\1')
_DATE_TIME: Final = re.compile(
    rb'"([ 0-9]?[0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"'
)
_MONTHS: Final = {
    name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
T = TypeVar("T")


class BadSyntax(Exception):
    """The command is wrong; the text tells the client why, in English."""


class Tokens:
    """A command being read, from its begin to its end, each octet once.

    Each method reads what it names, or raises `BadSyntax`.

    Attributes:
        utf8: whether names of mailboxes are in UTF-8, see `names.decode_name`.
    """

    __slots__ = ("_at", "_depth", "_index", "_parts", "_text", "utf8")

    def __init__(self, parts: Sequence[Part], *, utf8: bool = False) -> None:
        self.utf8 = utf8
        self._parts = parts
        self._depth = 0
        self._enter(0)

    def _enter(self, index: int) -> None:
        text = self._parts[index]
        if not isinstance(text, bytes):
            raise BadSyntax("A literal follows a literal")
        self._index, self._text, self._at = index, text, 0

    @property
    def rest(self) -> bytes:
        """What of the text before the next literal isn't read yet."""
        return self._text[self._at :]

    def peek(self, count: int) -> bytes:
        """Return at most `count` octets of the text that come next, without reading them."""
        return self._text[self._at : self._at + count]

    def ends(self) -> bool:
        """Return whether all is read."""
        return self._at == len(self._text) and self._index == len(self._parts) - 1

    def end(self) -> None:
        """Demand that all is read."""
        if not self.ends():
            raise BadSyntax("There is more than the command takes")

    def follows(self, octets: bytes) -> bool:
        """Return whether this comes next, without reading it."""
        return self._text.startswith(octets, self._at)

    def skip(self, octets: bytes) -> bool:
        """Read this if it comes next; return whether it did."""
        if not self._text.startswith(octets, self._at):
            return False
        self._at += len(octets)
        return True

    def expect(self, octets: bytes) -> None:
        """Read just this."""
        if not self.skip(octets):
            if self.ends():
                raise BadSyntax("There is less than the command takes")
            raise BadSyntax("A space is missing" if octets == b" " else f"Expected {octets.decode()}")

    def space(self) -> None:
        """Read one space."""
        self.expect(b" ")

    def _take(self, expression: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        found = expression.match(self._text, self._at)
        if found is None:
            raise BadSyntax(f"Expected {what}")
        self._at = found.end()
        return found

    def atom(self, what: str = "an atom") -> bytes:
        """Read an atom."""
        return self._take(_ATOM, what)[0]

    def keyword(self, what: str = "a word") -> str:
        """Read a word of the protocol; return it in capitals."""
        return self._take(_KEYWORD, what)[0].decode().upper()

    def astring(self, what: str = "a string") -> bytes:
        """Read an astring."""
        found = _ASTRING.match(self._text, self._at)
        if found is None:
            return self.string(what)
        self._at = found.end()
        return found[0]

    def string(self, what: str = "a string") -> bytes:
        """Read a quoted string or a literal."""
        if self._at == len(self._text) and self._index + 1 < len(self._parts):
            return self._literal()
        found = self._take(_QUOTED, what)[1]
        return _ESCAPED.sub(rb"\1", found) if b"\\" in found else found

    def _literal(self) -> bytes:
        literal = self._parts[self._index + 1]
        if not isinstance(literal, Literal):
            raise BadSyntax("Text follows text")
        if b"\0" in literal.octets and not literal.binary:
            raise BadSyntax("NUL is in a literal")
        self._enter(self._index + 2)
        return literal.octets

    def nstring(self, what: str = "a string or NIL") -> bytes | None:
        """Read a string, or NIL as None."""
        if self.peek(3).upper() == b"NIL":
            self._at += 3
            return None
        return self.string(what)

    def mailbox(self) -> str:
        """Read the name of a mailbox."""
        return self._name(self.astring("the name of a mailbox"))

    def pattern(self) -> str:
        """Read a name with wildcards, decoded."""
        found = _PATTERN.match(self._text, self._at)
        if found is None:
            return self._name(self.string("a pattern"))
        self._at = found.end()
        return self._name(found[0])

    def _name(self, octets: bytes) -> str:
        try:
            return names.decode_name(octets, utf8=self.utf8)
        except ValueError as error:
            raise BadSyntax(f"Of a mailbox, {error}") from None

    def number(self, *, least: int = 0, most: int = LARGEST, what: str = "a number") -> int:
        """Read a number from `least` to `most`."""
        value = int(self._take(_NUMBER, what)[0])
        if not least <= value <= most:
            raise BadSyntax(f"Expected {what} from {least} to {most}")
        return value

    def number64(self, *, least: int = 0, what: str = "a number") -> int:
        """Read a number64 or a mod-sequence."""
        return self.number(least=least, most=LARGEST_64, what=what)

    def sequence_set(self, parse: Callable[[bytes], SequenceSet] = parse_set) -> SequenceSet:
        """Read a set of messages."""
        text = self._take(_SET, "a set of messages")[0]
        try:
            return parse(text)
        except ValueError as error:
            raise BadSyntax(f"In a set of messages, {error}") from None

    def flag(self) -> str:
        """Read a flag as it was written."""
        return self._take(_FLAG, "a flag")[0].decode()

    def date(self) -> date:
        """Read a date, quoted or not."""
        found = self._take(_DATE, "a date such as 7-Feb-1994")
        return _date(found[2], found[3], found[4])

    def date_time(self) -> int:
        """Read a date with a time and a zone; return seconds since 1970, a leap second as the one before."""
        found = self._take(_DATE_TIME, 'a date such as " 7-Feb-1994 21:52:25 -0800"')
        day = _date(found[1], found[2], found[3])
        hour, minute, second, zone_hours, zone_minutes = map(int, found.group(4, 5, 6, 8, 9))
        offset = timedelta(hours=zone_hours, minutes=zone_minutes)
        try:
            zone = timezone(offset if found[7] == b"+" else -offset)
            time = datetime(day.year, day.month, day.day, hour, minute, 59 if second == 60 else second, tzinfo=zone)
        except ValueError:
            raise BadSyntax("There is no such time") from None
        return int((time - _EPOCH).total_seconds())

    def items(self, read: Callable[[], T], *, least: int = 1, most: int = MAX_ITEMS) -> list[T]:
        """Read a list in parentheses.

        Args:
            read: reads one of its items.
            least: how many there are at least, 0 or 1.
            most: how many there are at most.
        """
        self.expect(b"(")
        found: list[T] = []
        if least or not self.follows(b")"):
            with self.nesting():
                found.append(read())
                while self.skip(b" "):
                    if len(found) == most:
                        raise BadSyntax("A list is too long")
                    found.append(read())
        self.expect(b")")
        return found

    @contextmanager
    def nesting(self) -> Iterator[None]:
        """Count what is read meanwhile as one level deeper."""
        if self._depth == MAX_DEPTH:
            raise BadSyntax("Too much is nested")
        self._depth += 1
        yield
        self._depth -= 1


def _date(day: bytes, month: bytes, year: bytes) -> date:
    try:
        return date(int(year), _MONTHS[month.lower()], int(day))
    except (KeyError, ValueError):
        raise BadSyntax("There is no such date") from None
