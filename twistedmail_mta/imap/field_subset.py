"""Chooses fields of a header block: HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 9051 section 6.4.5.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

# A field, to the end of the last line that continues it; broken lines belong to it too.
_FIELD: Final = re.compile(
    rb"^(([!-9;-~]++)[ \t]*+:[^\n]*+(?:\n(?![!-9;-~]++[ \t]*+:|\r?\n|\Z)[^\n]*+)*+\n?)", re.MULTILINE
)


class FieldSubset:
    """The fields of some names, or all others; one is made for each command, and used for every message.

    As everywhere here, names are compared without regard to case, a space
    before the colon is forgiven, and a broken line belongs to the field before it.
    """

    __slots__ = ("_names", "_others")

    def __init__(self, names: Sequence[bytes], *, others: bool) -> None:
        """Choose.

        Args:
            names: of the fields; what can't be a name is that of no field.
            others: those that are named are left out instead.
        """
        self._names = frozenset(name.lower() for name in names)
        self._others = others

    def of(self, block: bytes) -> bytes:
        """Return the chosen fields as they stand in a header block, with the empty line behind them if there is one."""
        if self._others:
            return _FIELD.sub(self._left, block)
        names = self._names
        return b"".join([field for field, name in _FIELD.findall(block) if name.lower() in names]) + _empty_line(block)

    def _left(self, found: re.Match[bytes]) -> bytes:
        return b"" if found[2].lower() in self._names else found[0]


def _empty_line(block: bytes) -> bytes:
    line = block[block.rfind(b"\n", 0, -1) + 1 :]
    return line if line in {b"\r\n", b"\n"} else b""
