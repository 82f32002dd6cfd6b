"""Files of other servers as they are read: found by their path, in lines that know their number (PURE)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.migrating.findings import Place

Read = Callable[[str], str]
"""Returns the text of a file; raises `OSError`, whose text says why it can't be read."""
MOST: Final = 256 << 20
"""Octets of a file that is read."""


@dataclass(frozen=True, slots=True)
class Line:
    """A logical line: one, and those that go on with it.

    Attributes:
        text: without what only joins its parts.
        place: of the first of them.
    """

    text: str
    place: Place


def logical_lines(text: str, file: str) -> Iterator[Line]:
    """Yield the lines of a Postfix file: what begins with a space goes on with the line before.

    Empty lines and comments don't count, wherever they stand.
    """
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if line[0] in " \t" and parts:
            parts.append(bare)
            continue
        if parts:
            yield Line(" ".join(parts), Place(file, begun))
        begun, parts = number, [bare]
    if parts:
        yield Line(" ".join(parts), Place(file, begun))
