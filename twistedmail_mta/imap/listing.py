"""LIST and LSUB (RFC 9051 section 6.3.9, RFC 5258, RFC 5819, RFC 6154)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from twistedmail_mta.imap.mailboxes import StatusItem, read_status_items
from twistedmail_mta.imap.tokens import BadSyntax, Tokens

MAX_PATTERNS: Final = 100
"""Patterns in a LIST."""
LONGEST_PATTERNS: Final = 4000
"""Characters of several patterns together, each with the reference: so no name costs more than a millisecond."""


class Selection(Enum):
    """Which mailboxes are listed."""

    SUBSCRIBED = "SUBSCRIBED"
    REMOTE = "REMOTE"
    RECURSIVEMATCH = "RECURSIVEMATCH"
    SPECIAL_USE = "SPECIAL-USE"


class Return(Enum):
    """What is told of each."""

    SUBSCRIBED = "SUBSCRIBED"
    CHILDREN = "CHILDREN"
    SPECIAL_USE = "SPECIAL-USE"
    STATUS = "STATUS"


@dataclass(frozen=True, slots=True)
class List:
    """LIST.

    Attributes:
        reference: goes before each pattern.
        patterns: decoded; for `names.read_patterns`.
        selection: which are listed; empty for all.
        returns: what is told of them.
        status: the items of `Return.STATUS`.
        extended: it is one of RFC 5258 section 3, where an empty pattern asks for nothing special.
    """

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[Selection] = frozenset()
    returns: frozenset[Return] = frozenset()
    status: tuple[StatusItem, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class ListSubscribed:
    """LSUB (RFC 3501 section 6.3.9)."""

    reference: str
    pattern: str


def _list(tokens: Tokens) -> List:
    tokens.space()
    selection: frozenset[Selection] = frozenset()
    extended = tokens.follows(b"(")
    if extended:
        selection = _selection(tokens)
        tokens.space()
    reference = tokens.mailbox()
    tokens.space()
    several = tokens.follows(b"(")
    patterns = tokens.items(tokens.pattern, most=MAX_PATTERNS) if several else [tokens.pattern()]
    if len(patterns) > 1 and sum(len(reference) + len(pattern) for pattern in patterns) > LONGEST_PATTERNS:
        raise BadSyntax("The patterns are too long")
    more = tokens.skip(b" ")
    returns = _returns(tokens) if more else {}
    status = returns.get(Return.STATUS, ())
    return List(reference, tuple(patterns), selection, frozenset(returns), status, extended or several or more)


def _selection(tokens: Tokens) -> frozenset[Selection]:
    found = frozenset(tokens.items(partial(_option, tokens), least=0))
    if Selection.RECURSIVEMATCH in found and Selection.SUBSCRIBED not in found:
        raise BadSyntax("RECURSIVEMATCH goes with SUBSCRIBED only")
    return found


def _option(tokens: Tokens) -> Selection:
    try:
        return Selection(tokens.keyword("a selection option"))
    except ValueError:
        raise BadSyntax("Unknown selection option") from None


def _returns(tokens: Tokens) -> dict[Return, tuple[StatusItem, ...]]:
    if tokens.keyword("RETURN") != "RETURN":
        raise BadSyntax("Expected RETURN")
    tokens.space()
    return dict(tokens.items(partial(_return, tokens), least=0))


def _return(tokens: Tokens) -> tuple[Return, tuple[StatusItem, ...]]:
    try:
        option = Return(tokens.keyword("a return option"))
    except ValueError:
        raise BadSyntax("Unknown return option") from None
    if option is not Return.STATUS:
        return option, ()
    tokens.space()
    return option, read_status_items(tokens)


def _list_subscribed(tokens: Tokens) -> ListSubscribed:
    tokens.space()
    reference = tokens.mailbox()
    tokens.space()
    return ListSubscribed(reference, tokens.pattern())


Action = List | ListSubscribed

COMMANDS: Final[dict[str, Callable[[Tokens], Action]]] = {"LIST": _list, "LSUB": _list_subscribed}
