"""The keys of SEARCH, SORT and THREAD (RFC 9051 section 6.4.4, RFC 3501 section 6.4.4, RFC 7162 section 3.1.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import partial
from typing import Final

from twistedmail_mta.imap.sequences import SequenceSet
from twistedmail_mta.imap.tokens import BadSyntax, Tokens

MAX_KEYS: Final = 1000
"""Keys of a search."""


class Fixed(Enum):
    r"""A key without a value that no flag answers; NEW is RECENT and unseen (RFC 3501 section 6.4.4)."""

    ALL = "ALL"
    NEW = "NEW"
    OLD = "OLD"
    RECENT = "RECENT"


class Place(Enum):
    """Where a text is looked for."""

    BCC = "BCC"
    BODY = "BODY"
    CC = "CC"
    FROM = "FROM"
    SUBJECT = "SUBJECT"
    TEXT = "TEXT"
    TO = "TO"


class When(Enum):
    """How a message's date and the one asked for are compared."""

    BEFORE = "BEFORE"
    ON = "ON"
    SINCE = "SINCE"


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of a set, by UIDs if `by_uid`."""

    numbers: SequenceSet
    by_uid: bool


@dataclass(frozen=True, slots=True)
class Flagged:
    r"""Messages that have a flag, such as `\Seen` or a keyword; `Not` is around it for UNSEEN and the like."""

    flag: str


@dataclass(frozen=True, slots=True)
class Contains:
    """Messages with a text, in Unicode, in that place."""

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """Messages with a header field of this name that holds the text; any such field for an empty text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Dated:
    """Messages of such a day: of their internal date, or of the Date field if `sent`."""

    when: When
    day: date
    sent: bool


@dataclass(frozen=True, slots=True)
class Larger:
    """Messages of more octets."""

    size: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """Messages of fewer octets."""

    size: int


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """MODSEQ: messages of this mod-sequence or a higher one.  Of which flag is asked doesn't matter here."""

    mod_sequence: int


@dataclass(frozen=True, slots=True)
class Not:
    """Messages that the key doesn't find."""

    key: Key


@dataclass(frozen=True, slots=True)
class Or:
    """Messages that one of the keys finds."""

    first: Key
    second: Key


@dataclass(frozen=True, slots=True)
class And:
    """Messages that all of the keys find."""

    keys: tuple[Key, ...]


Key = Fixed | Messages | Flagged | Contains | Field | Dated | Larger | Smaller | ChangedSince | Not | Or | And


@dataclass(slots=True)
class KeyReader:
    """Reads keys, whose texts are in a charset.

    Attributes:
        tokens: what they are read from.
        charset: Python's name of it.
    """

    tokens: Tokens
    charset: str
    _left: int = MAX_KEYS

    def all(self) -> Key:
        """Read all keys up to the end; one that isn't alone is within an `And`."""
        keys = [self.one()]
        while self.tokens.skip(b" "):
            keys.append(self.one())
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def one(self) -> Key:
        """Read a key."""
        if not self._left:
            raise BadSyntax("The search has too many keys")
        self._left -= 1
        return self._key()

    def _key(self) -> Key:
        tokens = self.tokens
        if tokens.follows(b"("):
            keys = tokens.items(self.one)
            return keys[0] if len(keys) == 1 else And(tuple(keys))
        if tokens.peek(1) in _SET_BEGINS:
            return Messages(tokens.sequence_set(), by_uid=False)
        name = tokens.keyword("a search key")
        fixed = _WITHOUT_VALUE.get(name)
        if fixed is not None:
            return fixed
        read = _WITH_VALUE.get(name)
        if read is None:
            raise BadSyntax("Unknown search key")
        tokens.space()
        return read(self)

    def text(self) -> str:
        """Read a text that is looked for."""
        octets = self.tokens.astring()
        try:
            return octets.decode(self.charset)
        except UnicodeDecodeError:
            raise BadSyntax("A text isn't in the charset of the search") from None

    def negated(self) -> Key:
        """Read what follows NOT."""
        with self.tokens.nesting():
            return Not(self.one())

    def either(self) -> Key:
        """Read what follows OR."""
        with self.tokens.nesting():
            first = self.one()
            self.tokens.space()
            return Or(first, self.one())

    def contains(self, place: Place) -> Key:
        """Read what follows the name of a place."""
        return Contains(place, self.text())

    def field(self) -> Key:
        """Read what follows HEADER."""
        name = self.tokens.astring("the name of a field").decode("ascii", "replace")
        self.tokens.space()
        return Field(name, self.text())

    def dated(self, when: When, *, sent: bool) -> Key:
        """Read what follows BEFORE and the like."""
        return Dated(when, self.tokens.date(), sent)

    def flagged(self) -> Flagged:
        """Read what follows KEYWORD."""
        return Flagged(self.tokens.atom("a keyword").decode())

    def changed_since(self) -> Key:
        """Read what follows MODSEQ (RFC 7162 section 3.1.5)."""
        if self.tokens.follows(b'"'):
            self.tokens.string("the name of an entry")
            self.tokens.space()
            if self.tokens.keyword("priv, shared or all") not in {"PRIV", "SHARED", "ALL"}:
                raise BadSyntax("Expected priv, shared or all")
            self.tokens.space()
        return ChangedSince(self.tokens.number64(what="a mod-sequence"))


_SET_BEGINS: Final = frozenset(bytes([octet]) for octet in b"0123456789*$")
_FLAGS: Final = {name.upper(): Flagged(f"\\{name}") for name in ("Answered", "Deleted", "Draft", "Flagged", "Seen")}
_WITHOUT_VALUE: Final[dict[str, Key]] = {
    **{fixed.value: fixed for fixed in Fixed},
    **_FLAGS,
    **{f"UN{name}": Not(flagged) for name, flagged in _FLAGS.items()},
}
_WITH_VALUE: Final[dict[str, Callable[[KeyReader], Key]]] = {
    **{place.value: partial(KeyReader.contains, place=place) for place in Place},
    **{when.value: partial(KeyReader.dated, when=when, sent=False) for when in When},
    **{f"SENT{when.value}": partial(KeyReader.dated, when=when, sent=True) for when in When},
    "NOT": KeyReader.negated,
    "OR": KeyReader.either,
    "HEADER": KeyReader.field,
    "KEYWORD": KeyReader.flagged,
    "UNKEYWORD": lambda reader: Not(reader.flagged()),
    "LARGER": lambda reader: Larger(reader.tokens.number64(what="a size")),
    "SMALLER": lambda reader: Smaller(reader.tokens.number64(what="a size")),
    "UID": lambda reader: Messages(reader.tokens.sequence_set(), by_uid=True),
    "MODSEQ": KeyReader.changed_since,
}
