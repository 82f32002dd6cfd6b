r"""What LIST and LSUB are answered (RFC 9051 section 6.3.9, RFC 5258, RFC 6154, RFC 3501 section 6.3.9).

Names are gone through in the order of a tree, each followed by those below it:
so what is above or below a name stands beside it, and nothing is gone through twice.

A name that no mailbox has is told where others are below it and the pattern
ends with "%", or where it is subscribed to and that is asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from twistedmail_mta.imap.listing import List, ListSubscribed, Return, Selection
from twistedmail_mta.imap.names import SEPARATOR, Pattern, quoted_name, read_patterns

NON_EXISTENT: Final = "\\NonExistent"
NO_SELECT: Final = "\\Noselect"
SUBSCRIBED: Final = "\\Subscribed"
HAS_CHILDREN: Final = "\\HasChildren"
HAS_NO_CHILDREN: Final = "\\HasNoChildren"

_FIRST: Final = "\x01"
"""Sorts before all that can be in a name."""


@dataclass(frozen=True, slots=True)
class Told:
    """A name that is told.

    Attributes:
        verb: LIST or LSUB.
        name: of a mailbox, or of a level above some.
        attributes: as they are sent.
        child_selected: it is told that something below it is subscribed to (CHILDINFO).
        has_status: STATUS is to be told of it too, if that was asked for.
    """

    verb: str
    name: str
    attributes: tuple[str, ...] = ()
    child_selected: bool = False
    has_status: bool = False

    def line(self, *, utf8: bool) -> bytes:
        """Return the response.

        Args:
            utf8: see `names.decode_name`.
        """
        attributes = " ".join(self.attributes).encode()
        more = b' ("CHILDINFO" ("SUBSCRIBED"))' if self.child_selected else b""
        name = quoted_name(self.name, utf8=utf8)
        return b'* %b (%b) "%b" %b%b\r\n' % (self.verb.encode(), attributes, SEPARATOR.encode(), name, more)

    def unselectable(self) -> Told:
        """Return the same of a mailbox that can't be opened after all (RFC 5819 section 2)."""
        return replace(self, attributes=(NO_SELECT, *self.attributes))


class Known:
    """The names of an account."""

    def __init__(self, mailboxes: Iterable[tuple[str, str | None]], subscriptions: Iterable[str]) -> None:
        """Put names in order.

        Args:
            mailboxes: the name of each, and what it is for (RFC 6154), None for nothing special.
            subscriptions: names that are subscribed to, which may be nobody's.
        """
        self.uses = dict(mailboxes)
        self.mailboxes = in_order(self.uses)
        self.subscriptions = in_order(subscriptions)
        self.subscribed = frozenset(self.subscriptions)
        self._keys = [_key(name) for name in self.mailboxes]

    def has_children(self, name: str) -> bool:
        """Return whether there are mailboxes below a name."""
        below = _key(name + SEPARATOR)
        place = bisect_left(self._keys, below)
        return place < len(self._keys) and self._keys[place].startswith(below)


def in_order(names: Iterable[str]) -> list[str]:
    """Return names so that each is followed by all below it."""
    return sorted(names, key=_key)


def _key(name: str) -> str:
    return name.replace(SEPARATOR, _FIRST)


def listed(asked: List, known: Known, *, rev2: bool = False) -> Iterator[Told | None]:
    r"""Yield what LIST is answered; None where others may have their turn.

    Args:
        asked: the command.
        known: what there is.
        rev2: the client speaks IMAP4rev2, and so knows \NonExistent.
    """
    if not asked.extended and asked.patterns == ("",):
        yield Told("LIST", "", (NO_SELECT,))
        return
    answer = _Listing(asked, known, knows_more=rev2 or asked.extended)
    if not asked.selection - {Selection.REMOTE}:
        yield from answer.all()
    else:
        yield from answer.selected()


def listed_subscribed(asked: ListSubscribed, known: Known) -> Iterator[Told | None]:
    r"""Yield what LSUB is answered; None where others may have their turn.

    Of what is subscribed below a level that isn't, "%" tells the level, as \Noselect.
    """
    if not asked.pattern:
        yield Told("LSUB", "", (NO_SELECT,))
        return
    patterns = _Patterns(asked.reference, (asked.pattern,))
    before = ""
    for name in known.subscriptions:
        for level in patterns.levels_above(name, before):
            if level not in known.subscribed:
                yield Told("LSUB", level, (NO_SELECT,))
        yield Told("LSUB", name, () if name in known.uses else (NO_SELECT,)) if patterns.match(name) else None
        before = name


class _Patterns:
    """What is asked for, the reference before it; empty patterns are passed over."""

    def __init__(self, reference: str, patterns: Sequence[str]) -> None:
        texts = [reference + pattern for pattern in patterns if pattern]
        self._all = read_patterns(texts)
        self._of_levels = read_patterns(text for text in texts if text.endswith("%"))

    def match(self, name: str) -> bool:
        """Return whether a name is asked for."""
        return self._all.matches(name)

    def above(self, name: str, before: str) -> Iterator[str]:
        """Yield those above a name that are asked for, except those above the name before it, too."""
        return _above(self._all, name, before)

    def levels_above(self, name: str, before: str) -> Iterator[str]:
        """Yield the same, of what is asked for as levels of the hierarchy: where "%" ends the pattern."""
        return _above(self._of_levels, name, before)


def _above(pattern: Pattern, name: str, before: str) -> Iterator[str]:
    for end in pattern.matching_parents(name):
        if not before.startswith(name[: end + 1]):
            yield name[:end]


class _Listing:
    """One LIST."""

    def __init__(self, asked: List, known: Known, *, knows_more: bool) -> None:
        """Prepare an answer.

        Args:
            asked: the command.
            known: what there is.
            knows_more: the client knows LIST as it was extended.
        """
        self._asked = asked
        self._known = known
        self._patterns = _Patterns(asked.reference, asked.patterns)
        self._missing = (NON_EXISTENT,) if knows_more else (NON_EXISTENT, NO_SELECT)
        basic = not asked.extended
        self._tells_children = basic or Return.CHILDREN in asked.returns
        self._tells_use = basic or Return.SPECIAL_USE in asked.returns or Selection.SPECIAL_USE in asked.selection
        self._tells_subscribed = Return.SUBSCRIBED in asked.returns or Selection.SUBSCRIBED in asked.selection

    def all(self) -> Iterator[Told | None]:
        """Yield mailboxes, and levels above them."""
        known, before = self._known, ""
        for name in known.mailboxes:
            for level in self._patterns.levels_above(name, before):
                if level not in known.uses:
                    yield Told("LIST", level, self._attributes(level, parent=True))
            yield self._told(name) if self._patterns.match(name) else None
            before = name

    def selected(self) -> Iterator[Told | None]:
        """Yield what fits the selection, and with RECURSIVEMATCH those above what isn't told itself."""
        recursive = Selection.RECURSIVEMATCH in self._asked.selection
        names = self._fitting()
        fitting = frozenset(names)
        before = ""
        for place, name in enumerate(names):
            if self._patterns.match(name):
                below = place + 1 < len(names) and names[place + 1].startswith(name + SEPARATOR)
                yield self._told(name, child_selected=recursive and below)
            elif recursive:
                yield from self._parents(name, before, fitting)
                before = name
            yield None

    def _parents(self, name: str, before: str, fitting: Collection[str]) -> Iterator[Told]:
        for parent in self._patterns.above(name, before):
            if parent not in fitting:
                yield Told("LIST", parent, self._attributes(parent), child_selected=True)

    def _fitting(self) -> Sequence[str]:
        """Return the names that fit the selection, in order."""
        known, selection = self._known, self._asked.selection
        names = known.subscriptions if Selection.SUBSCRIBED in selection else known.mailboxes
        if Selection.SPECIAL_USE in selection:
            return [name for name in names if known.uses.get(name) is not None]
        return names

    def _told(self, name: str, *, child_selected: bool = False) -> Told:
        attributes = self._attributes(name)
        return Told("LIST", name, attributes, child_selected, has_status=name in self._known.uses)

    def _attributes(self, name: str, *, parent: bool = False) -> tuple[str, ...]:
        """Return what is told of a name.

        Args:
            name: which.
            parent: it is told because mailboxes are below it.
        """
        known = self._known
        use = known.uses.get(name)
        told = [] if name in known.uses else [*self._missing]
        if self._tells_subscribed and name in known.subscribed:
            told.append(SUBSCRIBED)
        if parent or self._tells_children:
            told.append(HAS_CHILDREN if parent or known.has_children(name) else HAS_NO_CHILDREN)
        if self._tells_use and use is not None:
            told.append(use)
        return tuple(told)
