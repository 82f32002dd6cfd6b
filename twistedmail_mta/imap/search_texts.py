"""The keys BODY and TEXT asked of one message, whose body may come in pieces.

BODY finds no header fields (RFC 9051 section 6.4.4), TEXT those of parts and
of messages inside too.
"""

from __future__ import annotations

from collections.abc import Sequence

from twistedmail_mta.imap.search_key import Contains, Place
from twistedmail_mta.mail.casemap import casemapped
from twistedmail_mta.mail.message_text import BodyText, look_at_header
from twistedmail_mta.mail.needles import Needles
from twistedmail_mta.mail.parts import Encoding, Nesting, Part, PartTree, read_parts


class TextSearch:
    """Looks for the texts of several keys in one message."""

    __slots__ = ("_in_body", "_in_text", "_keys", "_looks")

    def __init__(self, keys: Sequence[Contains], head: bytes, parts: bytes, size: int) -> None:
        """Begin with all but the body.

        Args:
            keys: BODY and TEXT alone.
            head: the lines of final delivery and the header block.
            parts: where the parts lie, packed.
            size: octets of the body.
        """
        self._keys = [(key.place, casemapped(key.text)) for key in keys]
        self._in_body = Needles(needle for place, needle in self._keys if place is Place.BODY)
        self._in_text = Needles(needle for place, needle in self._keys if place is Place.TEXT)
        if self._in_text.missing:
            look_at_header(self._in_text, head)
        tree = _tree(parts, size) if self._in_text.missing or self._in_body.missing else None
        self._looks = [
            BodyText(needles, head, tree, headers=needles is self._in_text)
            for needles in (self._in_body, self._in_text)
            if needles.missing and tree is not None
        ]

    @property
    def done(self) -> bool:
        """Whether nothing more can be found."""
        return all(look.done for look in self._looks)

    @property
    def wanted(self) -> int:
        """The place in the body of the next octet that is needed."""
        return min(look.wanted for look in self._looks if not look.done)

    def look(self, block: bytes, at: int) -> None:
        """Look at octets of the body; `at` is their place, `wanted` or before it."""
        for look in self._looks:
            look.look(block, at)

    def end(self) -> None:
        """Hear that there is no more of the body."""
        for look in self._looks:
            look.end()

    @property
    def answers(self) -> list[bool]:
        """For each key whether its text was found."""
        missing = {Place.BODY: self._in_body.missing, Place.TEXT: self._in_text.missing}
        return [needle not in missing[place] for place, needle in self._keys]


def _tree(parts: bytes, size: int) -> PartTree:
    try:
        return read_parts(parts)
    except ValueError:  # of a message whose parts nobody knows all is text
        return Part(Nesting.LEAF, Encoding.IDENTITY, 0, 0, size, 0)
