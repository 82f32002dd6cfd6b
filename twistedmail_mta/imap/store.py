"""Commands that change messages: STORE, COPY, MOVE, UID EXPUNGE (RFC 9051 section 6.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Final

from twistedmail_mta.imap.sequences import SequenceSet
from twistedmail_mta.imap.tokens import BadSyntax, Tokens


class Change(Enum):
    """What becomes of flags."""

    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


@dataclass(frozen=True, slots=True)
class Store:
    """STORE or UID STORE (RFC 9051 section 6.4.6).

    Attributes:
        messages: which, by UIDs if `by_uid`.
        by_uid: it was UID STORE.
        change: what becomes of the flags.
        flags: as they were written, none twice.
        silent: the client doesn't want to be told the flags.
        unchanged_since: only where nothing was changed after this mod-sequence (RFC 7162 section 3.1.3); None for all.
    """

    messages: SequenceSet
    by_uid: bool
    change: Change
    flags: tuple[str, ...]
    silent: bool = False
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY or MOVE, or their UID forms (RFC 9051 section 6.4.7, RFC 9051 section 6.4.8).

    Attributes:
        messages: which, by UIDs if `by_uid`.
        by_uid: it was a UID form.
        mailbox: where to.
        move: it is MOVE.
    """

    messages: SequenceSet
    by_uid: bool
    mailbox: str
    move: bool


@dataclass(frozen=True, slots=True)
class ExpungeUIDs:
    """UID EXPUNGE (RFC 4315 section 2.1)."""

    messages: SequenceSet


def _messages(tokens: Tokens) -> SequenceSet:
    tokens.space()
    return tokens.sequence_set()


def _store(tokens: Tokens, *, by_uid: bool) -> Store:
    messages = _messages(tokens)
    tokens.space()
    unchanged_since = None
    if tokens.follows(b"("):
        unchanged_since = _unchanged_since(tokens)
        tokens.space()
    change, silent = _change(tokens)
    tokens.space()
    if tokens.follows(b"("):
        flags = tokens.items(tokens.flag, least=0)
        if unchanged_since is None and tokens.skip(b" "):
            unchanged_since = _unchanged_since(tokens)  # ImapFlow 1.0 puts it last, and means it
    else:
        flags = _bare_flags(tokens)
    return Store(messages, by_uid, change, tuple(dict.fromkeys(flags)), silent, unchanged_since)


def _unchanged_since(tokens: Tokens) -> int:
    tokens.expect(b"(")
    if tokens.keyword("a modifier") != "UNCHANGEDSINCE":
        raise BadSyntax("Unknown modifier of STORE")
    tokens.space()
    mod_sequence = tokens.number64(what="a mod-sequence")
    tokens.expect(b")")
    return mod_sequence


def _change(tokens: Tokens) -> tuple[Change, bool]:
    name = tokens.atom("FLAGS, +FLAGS or -FLAGS").decode().upper()
    try:
        return Change(name.removesuffix(".SILENT")), name.endswith(".SILENT")
    except ValueError:
        raise BadSyntax("Expected FLAGS, +FLAGS or -FLAGS") from None


def _bare_flags(tokens: Tokens) -> list[str]:
    flags = [tokens.flag()]
    while tokens.skip(b" "):
        flags.append(tokens.flag())
    return flags


def _copy(tokens: Tokens, *, by_uid: bool, move: bool) -> Copy:
    messages = _messages(tokens)
    tokens.space()
    return Copy(messages, by_uid, tokens.mailbox(), move)


Action = Store | Copy | ExpungeUIDs

COMMANDS: Final[dict[str, Callable[[Tokens], Action]]] = {
    "STORE": partial(_store, by_uid=False),
    "UID STORE": partial(_store, by_uid=True),
    "COPY": partial(_copy, by_uid=False, move=False),
    "UID COPY": partial(_copy, by_uid=True, move=False),
    "MOVE": partial(_copy, by_uid=False, move=True),
    "UID MOVE": partial(_copy, by_uid=True, move=True),
    "UID EXPUNGE": lambda tokens: ExpungeUIDs(_messages(tokens)),
}
