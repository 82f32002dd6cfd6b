"""Texts as they are compared: i;unicode-casemap (RFC 5051 section 2)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from unicodedata import normalize

_ABOVE_ASCII: Final = re.compile(rb"[\x80-\xff]+")
_REMEMBERED: Final = 0x10000
"""Letters below are remembered: all of the living scripts, some megabytes at worst."""
_SHORT: Final = 64
"""Octets of a run of letters above ASCII that may come again, as words and parts of them do."""


def casemapped(text: str | bytes) -> bytes:
    """Return a text so that two are equal, in order or inside one another as RFC 5051 has it.

    Each letter becomes its titlecase letter, and that is decomposed: "o" finds
    "O", and also what "ö" begins with.

    Args:
        text: a string, or its UTF-8.
    """
    octets = text.encode("utf-8", "replace") if isinstance(text, str) else text
    octets = octets.upper()  # of ASCII alone
    return octets if octets.isascii() else _ABOVE_ASCII.sub(_mapped, octets)


def _mapped(run: re.Match[bytes]) -> bytes:
    octets = run[0]
    return _map_again(octets) if len(octets) <= _SHORT else _map(octets)


def _map(octets: bytes) -> bytes:
    return octets.decode("utf-8", "replace").translate(_LETTERS).encode("utf-8", "replace")


_map_again = lru_cache(maxsize=4096)(_map)


class _Letters(dict[int, str]):
    """What letters become, worked out as they are met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        title = letter.title()  # of several letters where UnicodeData has none, which is what counts here
        mapped = normalize("NFKD", title if len(title) == 1 else letter)
        if code < _REMEMBERED:
            self[code] = mapped
        return mapped


_LETTERS: Final = _Letters()
