"""Which octets of a message a section of FETCH means (RFC 9051 section 6.4.5.1).

A message is its header block, here the head, followed by its body.  Nothing is
copied: a section is a span of the message, and whoever has the octets reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedmail_mta.imap.fetch import Partial, Text
from twistedmail_mta.mail.parts import Part, PartTree, find

MAX_HEADER: Final = 64 * 1024
"""Octets of a header whose fields are chosen from; no part with a longer one is known to have any."""


@dataclass(frozen=True, slots=True)
class Span:
    """Octets of a message, counted from its begin.

    Attributes:
        begin: the first.
        end: behind the last.
    """

    begin: int
    end: int

    def __len__(self) -> int:
        """Return how many."""
        return self.end - self.begin

    def cut(self, piece: Partial | None) -> Span:
        """Return a piece of them, shorter or empty where they end (RFC 9051 section 6.4.5, BODY[...])."""
        if piece is None:
            return self
        begin = min(self.begin + piece.offset, self.end)
        return Span(begin, min(begin + piece.count, self.end))


def message_span(text: Text, head: int, size: int) -> Span:
    """Return where a section without the number of a part lies.

    Args:
        text: which; of those that choose fields, the header that they choose from.
        head: octets of the head.
        size: octets of the message.
    """
    if text is Text.ALL:
        return Span(0, size)
    return Span(head, size) if text is Text.TEXT else Span(0, head)


def part_span(number: str, text: Text, head: int, tree: PartTree) -> Span | None:
    """Return where a section of a part lies; None when the message has none such.

    Args:
        number: the part's, such as "3.1.2".
        text: which; of those that choose fields, the header that they choose from.
        head: octets of the head.
        tree: the parts of the message.
    """
    part = find(tree, number)
    if part is None:
        return None
    if text is Text.ALL:
        return Span(head + part.begin, head + part.end)
    if text is Text.MIME:
        return _header(part, head, tree)
    inside = part.message
    if inside is None:
        return None
    return Span(head + inside.begin, head + inside.end) if text is Text.TEXT else _header(inside, head, tree)


def _header(part: Part, head: int, tree: PartTree) -> Span:
    """Return where a part's header lies; that of the only part of a message is the message's."""
    return Span(0, head) if part is tree else Span(head + part.header, head + part.begin)
