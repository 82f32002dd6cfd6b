"""SEARCH, SORT and THREAD (RFC 9051 section 6.4.4, RFC 4731, RFC 5182, RFC 5256)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from twistedmail_mta.imap.search_key import Key, KeyReader
from twistedmail_mta.imap.tokens import BadSyntax, Tokens


class Result(Enum):
    """What a search tells (RFC 4731 section 3.1), or keeps (RFC 5182 section 2.1)."""

    MIN = "MIN"
    MAX = "MAX"
    ALL = "ALL"
    COUNT = "COUNT"
    SAVE = "SAVE"


class Criterion(Enum):
    """What messages are sorted by (RFC 5256 section 3)."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"


class Algorithm(Enum):
    """How messages are threaded (RFC 5256 section 3)."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH or UID SEARCH.

    Attributes:
        by_uid: it was UID SEARCH.
        key: what is looked for.
        results: of RETURN, ALL if none was named there; None without RETURN.
    """

    by_uid: bool
    key: Key
    results: frozenset[Result] | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """SORT or UID SORT.

    Attributes:
        by_uid: it was UID SORT.
        criteria: the first counts most; each with whether it is reversed.
        key: what is looked for.
    """

    by_uid: bool
    criteria: tuple[tuple[Criterion, bool], ...]
    key: Key


@dataclass(frozen=True, slots=True)
class Thread:
    """THREAD or UID THREAD."""

    by_uid: bool
    algorithm: Algorithm
    key: Key


@dataclass(frozen=True, slots=True)
class UnknownCharset:
    """A search in a charset that isn't known: answered NO with BADCHARSET (RFC 9051 section 6.4.4).

    Attributes:
        saves: its result would have been kept, so that nothing is kept now (RFC 5182 section 2.1).
    """

    saves: bool = False


Action = Search | Sort | Thread | UnknownCharset

CHARSETS: Final = {"US-ASCII": "ascii", "ASCII": "ascii", "UTF-8": "utf-8", "UTF8": "utf-8"}
"""Charsets of searches in capitals, with Python's names of them."""


def _search(tokens: Tokens, *, by_uid: bool) -> Action:
    tokens.space()
    results = None
    if tokens.peek(7).upper() == b"RETURN ":
        tokens.keyword()
        tokens.space()
        results = frozenset(tokens.items(partial(_result, tokens), least=0)) or frozenset({Result.ALL})
        tokens.space()
    charset = "UTF-8"
    if tokens.peek(8).upper() == b"CHARSET ":
        tokens.keyword()
        tokens.space()
        charset = _charset(tokens)
        tokens.space()
    return _known(charset, Search(by_uid, _keys(tokens, charset), results))


def _result(tokens: Tokens) -> Result:
    try:
        return Result(tokens.keyword("a return option"))
    except ValueError:
        raise BadSyntax("Unknown return option") from None


def _charset(tokens: Tokens) -> str:
    return tokens.astring("a charset").decode("ascii", "replace").upper()


def _keys(tokens: Tokens, charset: str) -> Key:
    """Read the keys; those in an unknown charset for their grammar alone."""
    return KeyReader(tokens, CHARSETS.get(charset, "latin-1")).all()


def _known(charset: str, found: Search | Sort | Thread) -> Action:
    if charset in CHARSETS:
        return found
    return UnknownCharset(isinstance(found, Search) and found.results is not None and Result.SAVE in found.results)


def _sort(tokens: Tokens, *, by_uid: bool) -> Action:
    tokens.space()
    criteria = tokens.items(partial(_criterion, tokens))
    tokens.space()
    charset = _charset(tokens)
    tokens.space()
    return _known(charset, Sort(by_uid, tuple(criteria), _keys(tokens, charset)))


def _criterion(tokens: Tokens) -> tuple[Criterion, bool]:
    name = tokens.keyword("a criterion")
    reverse = name == "REVERSE"
    if reverse:
        tokens.space()
        name = tokens.keyword("a criterion")
    try:
        return Criterion(name), reverse
    except ValueError:
        raise BadSyntax("Unknown criterion") from None


def _thread(tokens: Tokens, *, by_uid: bool) -> Action:
    tokens.space()
    try:
        algorithm = Algorithm(tokens.keyword("an algorithm"))
    except ValueError:
        raise BadSyntax("Unknown algorithm") from None
    tokens.space()
    charset = _charset(tokens)
    tokens.space()
    return _known(charset, Thread(by_uid, algorithm, _keys(tokens, charset)))


COMMANDS: Final[dict[str, Callable[[Tokens], Action]]] = {
    "SEARCH": partial(_search, by_uid=False),
    "UID SEARCH": partial(_search, by_uid=True),
    "SORT": partial(_sort, by_uid=False),
    "UID SORT": partial(_sort, by_uid=True),
    "THREAD": partial(_thread, by_uid=False),
    "UID THREAD": partial(_thread, by_uid=True),
}
