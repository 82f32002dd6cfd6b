"""Puts other addresses into fields such as From; every octet that is no part of such an address stays what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from twistedmail_mta.mail.addresses import Placed, Token, placed_addresses
from twistedmail_mta.model import Address

MAX_VALUE: Final = 256 * 1024
"""Octets of a value; a longer one stays as it is."""
MAX_ADDRESSES: Final = 10_000
"""Addresses in a value; one with more stays as it is."""
_MAX_LINE: Final = 960
"""Octets of a line that with a name before it keeps the limit of 998 (RFC 5322 section 2.1.1); longer ones stay so,
but none becomes so."""

_SPACE: Final = " \t\r\n"


def readdressed(value: bytes, new: Callable[[Address], Address | None]) -> bytes | None:
    """Return the value of an address field with other addresses in it.

    Display names, comments, groups, folding and the white space between them
    stay, also what stands as a display name and is an address itself.  Linear
    in the length, and up to some 100 ms for the longest.

    Args:
        value: as it came, its folding kept.
        new: returns what is put in an address's place; None: it stays.

    Returns:
        None where nothing changes, also because the value can't be understood.
    """
    if len(value) > MAX_VALUE:
        return None
    text = value.decode("utf-8", "surrogateescape")
    pieces: list[str] = []
    done = 0
    for begin, end, replacement in _edits(text, placed_addresses(text, MAX_ADDRESSES) or (), new):
        pieces += (text[done:begin], replacement)
        done = end
    if not pieces:
        return None
    changed = "".join((*pieces, text[done:])).encode("utf-8", "surrogateescape")
    return None if _longest_line(changed) > _MAX_LINE >= _longest_line(value) else changed


def _longest_line(value: bytes) -> int:
    return max(map(len, value.split(b"\n")))


def _edits(
    text: str, found: Sequence[Placed], new: Callable[[Address], Address | None]
) -> Iterator[tuple[int, int, str]]:
    """Yield where something else comes, and what."""
    for placed in found:
        old = placed.address
        changed = None if placed.is_name else new(old)
        if changed is None:
            continue
        if changed.local != old.local:
            yield _edit(text, placed.local, str(Address(changed.local, "")))
        if changed.domain != old.domain:
            yield _edit(text, placed.domain, changed.domain)


def _edit(text: str, tokens: Sequence[Token], replacement: str) -> tuple[int, int, str]:
    """Put a word in the place of tokens; comments between them, an obsolete form, follow it."""
    begin, end = tokens[0][2], _end(tokens[-1])
    comments = [text[_end(before) : behind[2]].strip(_SPACE) for before, behind in pairwise(tokens)]
    return begin, end, replacement + "".join(comments)


def _end(token: Token) -> int:
    return token[2] + len(token[1])
