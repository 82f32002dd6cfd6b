"""A view over a header block: finds, removes and adds fields, and changes no other octet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice

from twistedmail_mta.model import CRLF

_FIELD_NAME = re.compile(rb"[!-9;-~]++[ \t]*+:")
_FIELD_END = re.compile(rb"\n(?=[!-9;-~]++[ \t]*+:|\r\n)")
_HEADER_END = re.compile(rb"\r\n\r\n")
# A field's value to the end of its last line, the lines that continue it included.
_VALUE = rb"[ \t]*+:[^\n]*+(?:\n(?![!-9;-~]++[ \t]*+:|\r\n)[^\n]*+)*+(?:\n|\Z)"


def begins_with_field(data: bytes | bytearray) -> bool:
    """Return whether the first line is a header field (RFC 5322 section 2.2)."""
    return _FIELD_NAME.match(data) is not None


def split(data: bytes) -> tuple[bytes, bytes]:
    """Return the header block, with the empty line that ends it, and the body.

    A message whose first line is no header field has no header: people type
    such messages by hand.  An empty first line is an empty header.
    """
    if data.startswith(CRLF):
        return CRLF, data[2:]
    if not begins_with_field(data):
        return b"", data
    found = _HEADER_END.search(data)
    end = found.end() if found else len(data)
    return data[:end], data[end:]


class Header:
    """The fields of a header block.

    Names are compared without regard to case, and a space before the colon is
    forgiven (RFC 5322 section 4.5.8).  Folded lines belong to their field, and
    so do broken lines, those that neither begin a field nor continue one.
    Nothing is parsed ahead: a search costs what `bytes.find` costs.

    Attributes:
        block: the octets, all lines ended by CRLF, with the empty line behind
            the last field where there is one.
    """

    __slots__ = ("_lower", "block")

    def __init__(self, block: bytes) -> None:
        self.block = block
        self._lower = b"\n" + block.lower()

    @property
    def is_ascii(self) -> bool:
        """Whether no field holds an octet above 127."""
        return self.block.isascii()

    def count(self, name: bytes, up_to: int = 1000) -> int:
        """Return how many fields have this name; past `up_to` they aren't counted."""
        return sum(1 for _ in islice(self._starts(name), up_to))

    def has(self, name: bytes) -> bool:
        """Return whether there is a field of this name."""
        return next(self._starts(name), None) is not None

    def get(self, name: bytes) -> bytes | None:
        """Return the value of the first field of this name, as `get_all` does."""
        return next(self._values(name), None)

    def get_all(self, name: bytes) -> list[bytes]:
        """Return the values of all fields of this name.

        A value is what follows the colon, its folding kept, without white
        space at both ends.
        """
        return list(self._values(name))

    def collect(self, names: tuple[bytes, ...], up_to: int = 100) -> dict[bytes, list[bytes]]:
        """Return the values of the fields of these names, in one pass.

        Args:
            names: in lower case, as they are in the answer; those of absent
                fields are missing there.
            up_to: fields that are looked at.
        """
        found: dict[bytes, list[bytes]] = {}
        for field in islice(_any_of(names).finditer(self._lower), up_to):
            start, end = field.span(2)
            found.setdefault(field[1], []).append(self.block[start - 1 : end - 1].strip())
        return found

    def without(self, *names: bytes) -> Header:
        """Return the header without the fields of these names."""
        if not any(self.has(name) for name in names):
            return self
        return Header(_fields_of(names).sub(b"", self.block))

    def without_value(self, name: bytes, value: bytes) -> Header:
        """Return the header without the fields of a name that have this value, as `get_all` gives it."""
        kept, begin = [], 0
        for start, behind_name in self._starts(name):
            end = self._end(behind_name)
            if self.block[behind_name:end].strip() == value:
                kept.append(self.block[begin:start])
                begin = end
        return Header(b"".join([*kept, self.block[begin:]])) if begin else self

    def stripped_of(self, *names: bytes) -> Header:
        """Return the header without these fields and their folded lines; a broken line behind them stays.

        For fields that hide nothing: where the empty line was forgotten, what
        follows is the text.
        """
        if not any(self.has(name) for name in names):
            return self
        return Header(_folded_fields_of(names).sub(b"", self.block))

    def replaced(self, name: bytes, field: bytes) -> Header:
        """Return the header with `field`, which ends in CRLF, in the place of all fields of a name."""
        first = next(self._starts(name), None)
        if first is None:
            return self
        begin, end = first[0], self._end(first[1])
        rest = Header(b"\r\n" + self.block[end:]).without(name).block[2:] if end < len(self.block) else b""
        return Header(self.block[:begin] + field + rest)

    def prepend(self, field: bytes) -> Header:
        """Return the header with `field`, which ends in CRLF, before all others.

        Where there was no header at all the empty line follows, so that the
        text behind it stays the body.
        """
        return Header(field + (self.block or CRLF))

    def append(self, field: bytes) -> Header:
        """Return the header with `field`, which ends in CRLF, behind all others."""
        if self.block == CRLF or not self.block:
            return Header(field + CRLF)
        if self.block.endswith(CRLF + CRLF):
            return Header(self.block[:-2] + field + CRLF)
        return Header(self.block + (b"" if self.block.endswith(CRLF) else CRLF) + field)

    def fields(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield name and value of each field, from above.

        A value is all that follows the colon, but for the last line end.
        """
        for begin, value, end in self._places():
            name = self.block[begin : value - 1].rstrip(b" \t")
            yield name, self.block[value:end].removesuffix(CRLF)

    def whole_fields(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the name of each field, and all its octets with the line end, from above."""
        for begin, value, end in self._places():
            yield self.block[begin : value - 1].rstrip(b" \t"), self.block[begin:end]

    def inserted(self, index: int, field: bytes) -> Header:
        """Return the header with `field`, which ends in CRLF, behind so many others, or all if there are fewer."""
        place = next(islice(self._places(), index, None), None)
        if place is None:
            return self.append(field) if index else self.prepend(field)
        return Header(self.block[: place[0]] + field + self.block[place[0] :])

    def changed(self, name: bytes, occurrence: int, field: bytes) -> Header | None:
        """Return the header with `field`, which ends in CRLF or is empty, in the place of one field of a name.

        Args:
            name: of the field that goes.
            occurrence: which of those of this name, counted from 1.
            field: what comes.

        Returns:
            None where there is no such field.
        """
        start = next(islice(self._starts(name), occurrence - 1, None), None)
        if start is None:
            return None
        return Header(self.block[: start[0]] + field + self.block[self._end(start[1]) :])

    def with_value(self, name: bytes, old: bytes, new: bytes, occurrence: int = 1) -> Header | None:
        """Return the header with `new` in the place of a value, and every other octet as it is.

        Args:
            name: of the field.
            old: the value, as `get_all` gives it.
            new: what comes.
            occurrence: which field of this name it is, counted from 1; if another value stands there, it is the
                first that has `old`.

        Returns:
            None where no such field has it.
        """

        def has_it(start: int) -> bool:
            return self.block[start : self._end(start)].strip() == old

        start = next((start for _, start in islice(self._starts(name), occurrence - 1, occurrence)), None)
        if start is None or not has_it(start):  # only then are all looked at: there may be thousands
            start = next((start for _, start in self._starts(name) if has_it(start)), None)
        if start is None:
            return None
        begin = self.block.index(old, start)
        return Header(self.block[:begin] + new + self.block[begin + len(old) :])

    def _places(self) -> Iterator[tuple[int, int, int]]:
        """Yield where each field starts, where its value does, and where it ends."""
        found = _FIELD_NAME.match(self.block)
        while found is not None:
            end = self._end(found.end())
            yield found.start(), found.end(), end
            found = _FIELD_NAME.match(self.block, end)

    def _starts(self, name: bytes) -> Iterator[tuple[int, int]]:
        """Yield where each field of this name starts, and where its value does."""
        first = self._lower.find(b"\n" + name.lower())
        if first >= 0:
            for found in _beginning_of(name).finditer(self._lower, first):
                yield found.start(), found.end() - 1  # `lower` is one octet longer than `block`

    def _values(self, name: bytes) -> Iterator[bytes]:
        return (self.block[value : self._end(value)].strip() for _, value in self._starts(name))

    def _end(self, value: int) -> int:
        """Return where the field whose value starts at `value` ends, behind its CRLF."""
        found = _FIELD_END.search(self.block, value)
        return found.end() if found else len(self.block)


@lru_cache(maxsize=1000)  # clients search for names of their own
def _beginning_of(name: bytes) -> re.Pattern[bytes]:
    """Return what finds fields of this name in lower case, so that names which only begin alike cost little."""
    return re.compile(rb"\n" + re.escape(name.lower()) + rb"[ \t]*+:")


@cache
def _any_of(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Return what finds fields of these names in lower case, name and value."""
    return re.compile(
        rb"\n(" + b"|".join(map(re.escape, names)) + rb")[ \t]*+:([^\n]*+(?:\n(?![!-9;-~]++[ \t]*+:|\r\n)[^\n]*+)*+)"
    )


@cache
def _fields_of(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Return what finds runs of whole fields of these names."""
    return re.compile(rb"(?<![^\n])(?:(?:" + b"|".join(map(re.escape, names)) + rb")" + _VALUE + rb")++", re.IGNORECASE)


@cache
def _folded_fields_of(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Return what finds fields of these names as RFC 5322 section 2.2.3 folds them."""
    name = b"|".join(map(re.escape, names))
    value = rb"[ \t]*+:[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z)"
    return re.compile(rb"^(?:" + name + rb")" + value, re.IGNORECASE | re.MULTILINE)
