"""Chooses fields of a header block: HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 9051 section 6.4.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

_NAME: Final = re.compile(rb"[!-9;-~]++")
# Behind the colon: to the end of the last line, the lines that continue the field and broken ones included.
_REST: Final = rb"[ \t]*+:[^\n]*+(?:\n(?![!-9;-~]++[ \t]*+:|\r?\n|\Z)[^\n]*+)*+"
_NONE: Final = re.compile(rb"(?!)")


class FieldSubset:
    """The fields of some names, or all others; one is made for each command, and used for every message.

    As everywhere here, names are compared without regard to case, a space
    before the colon is forgiven, and a broken line belongs to the field before it.
    """

    __slots__ = ("_fields", "_others")

    def __init__(self, names: Sequence[bytes], *, others: bool) -> None:
        """Choose.

        Args:
            names: of the fields; what can't be a name is that of no field.
            others: those that are named are left out instead.
        """
        known = sorted({re.escape(name.lower()) for name in names if _NAME.fullmatch(name)})
        self._fields = re.compile(rb"\n(?:" + b"|".join(known) + rb")" + _REST, re.IGNORECASE) if known else _NONE
        self._others = others

    def of(self, block: bytes) -> bytes:
        """Return the chosen fields as they stand in a header block, with the empty line behind them if there is one."""
        if self._others:
            return self._without(block)
        return b"".join([block[begin:end] for begin, end in self._found(block)]) + _empty_line(block)

    def _without(self, block: bytes) -> bytes:
        kept, start = [], 0
        for begin, end in self._found(block):
            kept.append(block[start:begin])
            start = end
        return b"".join(kept) + block[start:]

    def _found(self, block: bytes) -> Iterator[tuple[int, int]]:
        """Yield where each named field begins, and ends behind its line end."""
        for found in self._fields.finditer(b"\n" + block):
            yield found.start(), found.end()


def _empty_line(block: bytes) -> bytes:
    line = block[block.rfind(b"\n", 0, -1) + 1 :]
    return line if line in {b"\r\n", b"\n"} else b""
