"""Flags as clients write and read them (RFC 9051 section 2.3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

SYSTEM_FLAGS: Final = ((1, "\\Seen"), (2, "\\Answered"), (4, "\\Flagged"), (8, "\\Deleted"), (16, "\\Draft"))
"""The bits of the system flags, as `mailbox.flags` has them."""

SYSTEM_BITS: Final = {name.lower(): bit for bit, name in SYSTEM_FLAGS}

RECENT: Final = "\\Recent"


def system_bits(names: Iterable[str]) -> int:
    """Return the bits of the system flags among these, which may be in any case; others count for nothing."""
    bits = 0
    for name in names:
        bits |= SYSTEM_BITS.get(name.lower(), 0)
    return bits


def keywords_of(names: Iterable[str]) -> frozenset[str]:
    """Return the keywords among these flags."""
    return frozenset(name for name in names if not name.startswith("\\"))


def flag_names(bits: int, keywords: Mapping[int, str], *, recent: bool = False) -> list[str]:
    """Return the flags that bits stand for.

    Args:
        bits: of a message.
        keywords: of the mailbox, by the number of their bit.
        recent: whether the session is the first to see the message (RFC 3501 section 2.3.2).
    """
    names = [name for bit, name in SYSTEM_FLAGS if bits & bit]
    rest = bits >> 5
    number = 5
    while rest:
        if rest & 1 and number in keywords:
            names.append(keywords[number])
        rest >>= 1
        number += 1
    return [*names, RECENT] if recent else names


def flag_list(names: Iterable[str]) -> bytes:
    """Return flags as a list in parentheses."""
    return b"(" + " ".join(names).encode() + b")"


class FlagLists:
    """The lists of one mailbox's flags, each worded once.

    Few of all combinations occur: most messages cost a look into a dict.
    """

    __slots__ = ("_keywords", "_worded")

    def __init__(self, keywords: Mapping[int, str]) -> None:
        self._keywords = keywords
        self._worded: dict[int, bytes] = {}

    def of(self, bits: int, *, recent: bool = False) -> bytes:
        """Return the flags of a message as a list."""
        key = ~bits if recent else bits
        found = self._worded.get(key)
        if found is None:
            found = self._worded[key] = flag_list(flag_names(bits, self._keywords, recent=recent))
        return found
