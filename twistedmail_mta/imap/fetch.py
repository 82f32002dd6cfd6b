"""FETCH: which items of which messages (RFC 9051 section 6.4.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from twistedmail_mta.imap.sequences import SequenceSet
from twistedmail_mta.imap.tokens import BadSyntax, Tokens

MAX_PART: Final = 200
"""Octets of the number of a part, such as "3.1.2"."""


class Item(Enum):
    """What FETCH can tell that needs no more words."""

    FLAGS = "FLAGS"
    UID = "UID"
    INTERNALDATE = "INTERNALDATE"
    SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    MODSEQ = "MODSEQ"
    RFC822 = "RFC822"
    RFC822_HEADER = "RFC822.HEADER"
    RFC822_TEXT = "RFC822.TEXT"


class Text(Enum):
    """What of a message or part is meant (RFC 9051 section 6.4.5.1)."""

    ALL = ""
    HEADER = "HEADER"
    FIELDS = "HEADER.FIELDS"
    FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"


@dataclass(frozen=True, slots=True)
class Partial:
    """A piece: `count` octets from `offset`, which begins with 0."""

    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Section:
    """BODY[...] or BODY.PEEK[...].

    Attributes:
        part: the number of a part; empty for the message.
        text: what of it.
        fields: names of header fields as they were written, for `FIELDS` and `FIELDS_NOT`.
        partial: which piece; None for all.
        peek: flags stay as they are.
    """

    part: str = ""
    text: Text = Text.ALL
    fields: tuple[bytes, ...] = ()
    partial: Partial | None = None
    peek: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """BINARY[...] or BINARY.PEEK[...]: a part decoded; attributes as in `Section` (RFC 3516 section 4.2)."""

    part: str
    partial: Partial | None = None
    peek: bool = False


@dataclass(frozen=True, slots=True)
class BinarySize:
    """BINARY.SIZE[...]: how many octets a part has decoded (RFC 3516 section 4.2)."""

    part: str


Wanted = Item | Section | Binary | BinarySize


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH or UID FETCH.

    Attributes:
        messages: which, by UIDs if `by_uid`.
        by_uid: it was UID FETCH; UID is among the items then.
        items: what is told of each, macros resolved, none twice.
        changed_since: only of those changed after this mod-sequence (RFC 7162 section 3.1.4.1);
            MODSEQ is among the items then; None for all.
        vanished: tell of expunged ones too (RFC 7162 section 3.2.6).
    """

    messages: SequenceSet
    by_uid: bool
    items: tuple[Wanted, ...]
    changed_since: int | None = None
    vanished: bool = False


_FAST: Final = (Item.FLAGS, Item.INTERNALDATE, Item.SIZE)
_MACROS: Final[dict[str, tuple[Wanted, ...]]] = {
    "FAST": _FAST,
    "ALL": (*_FAST, Item.ENVELOPE),
    "FULL": (*_FAST, Item.ENVELOPE, Item.BODY),
}
_PART: Final = re.compile(r"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*+")
_NAMED: Final = re.compile(r"(?:([0-9.]+?)(?:\.(?=[A-Z])|\Z))?([A-Z.]*)")


def read_fetch(tokens: Tokens, *, by_uid: bool) -> Fetch:
    """Read what follows FETCH or UID FETCH."""
    tokens.space()
    messages = tokens.sequence_set()
    tokens.space()
    items = _items(tokens)
    changed_since, vanished = _modifiers(tokens, by_uid=by_uid) if tokens.skip(b" ") else (None, False)
    if changed_since is not None:
        items = (*items, Item.MODSEQ)
    if by_uid:
        items = (Item.UID, *items)
    return Fetch(messages, by_uid, tuple(dict.fromkeys(items)), changed_since, vanished)


def _items(tokens: Tokens) -> tuple[Wanted, ...]:
    if tokens.follows(b"("):
        return tuple(tokens.items(partial(_item, tokens)))
    name = tokens.keyword("an item of FETCH")
    return _MACROS.get(name) or (_named(tokens, name),)


def _item(tokens: Tokens) -> Wanted:
    return _named(tokens, tokens.keyword("an item of FETCH"))


def _named(tokens: Tokens, name: str) -> Wanted:
    if tokens.skip(b"["):
        return _section(tokens, name)
    try:
        return Item(name)
    except ValueError:
        raise BadSyntax("Unknown item of FETCH") from None


def _section(tokens: Tokens, name: str) -> Wanted:
    word, peek = name.removesuffix(".PEEK"), name.endswith(".PEEK")
    if word == "BODY":
        part, text, fields = _section_text(tokens)
        tokens.expect(b"]")
        return Section(part, text, fields, _partial(tokens), peek)
    part = "" if tokens.follows(b"]") else _part(tokens.keyword("the number of a part"))
    tokens.expect(b"]")
    if word == "BINARY":
        return Binary(part, _partial(tokens), peek)
    if name == "BINARY.SIZE":
        return BinarySize(part)
    raise BadSyntax("Unknown item of FETCH")


def _section_text(tokens: Tokens) -> tuple[str, Text, tuple[bytes, ...]]:
    if tokens.follows(b"]"):
        return "", Text.ALL, ()
    found = _NAMED.fullmatch(tokens.keyword("a section"))
    if found is None or (found[1] is None and found[2] == "MIME"):
        raise BadSyntax("Unknown section")
    part = "" if found[1] is None else _part(found[1])
    try:
        text = Text(found[2])
    except ValueError:
        raise BadSyntax("Unknown section") from None
    if text not in {Text.FIELDS, Text.FIELDS_NOT}:
        return part, text, ()
    tokens.space()
    return part, text, tuple(tokens.items(partial(tokens.astring, "the name of a field")))


def _part(number: str) -> str:
    if len(number) > MAX_PART or not _PART.fullmatch(number):
        raise BadSyntax("Expected the number of a part")
    return number


def _partial(tokens: Tokens) -> Partial | None:
    if not tokens.skip(b"<"):
        return None
    offset = tokens.number64(what="an offset")
    tokens.expect(b".")
    count = tokens.number64(least=1, what="a count")
    tokens.expect(b">")
    return Partial(offset, count)


def _modifiers(tokens: Tokens, *, by_uid: bool) -> tuple[int | None, bool]:
    found = dict(tokens.items(partial(_modifier, tokens)))
    changed_since, vanished = found.get("CHANGEDSINCE"), "VANISHED" in found
    if vanished and (not by_uid or changed_since is None):
        raise BadSyntax("VANISHED goes with UID FETCH and CHANGEDSINCE only")
    return changed_since, vanished


def _modifier(tokens: Tokens) -> tuple[str, int | None]:
    name = tokens.keyword("a modifier")
    if name == "VANISHED":
        return name, None
    if name != "CHANGEDSINCE":
        raise BadSyntax("Unknown modifier of FETCH")
    tokens.space()
    return name, tokens.number64(least=1, what="a mod-sequence")


COMMANDS: Final[dict[str, Callable[[Tokens], Fetch]]] = {
    "FETCH": partial(read_fetch, by_uid=False),
    "UID FETCH": partial(read_fetch, by_uid=True),
}
