"""APPEND: where its messages go, and what is said of each (RFC 9051 section 6.3.12, RFC 3502, RFC 6855 section 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

from twistedmail_mta.imap.reader import Announced, Part, tag_of
from twistedmail_mta.imap.tokens import BadSyntax, Tokens


@dataclass(frozen=True, slots=True)
class Message:
    """What is said of a message before it comes.

    Attributes:
        flags: as they were written, none twice.
        internal_date: in seconds since 1970; None: now.
        utf8: its header may be in UTF-8 (RFC 6855 section 4).
        size: in octets.
        binary: it may hold NUL (RFC 3516 section 4.4).
    """

    flags: tuple[str, ...]
    internal_date: int | None
    utf8: bool
    size: int
    binary: bool


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND up to its first message."""

    tag: bytes
    mailbox: str
    message: Message


def read_append(announced: Announced, *, utf8: bool = False) -> Append | BadSyntax:
    """Read what goes before the first message.

    Args:
        announced: as the reader gave it.
        utf8: see `names.decode_name`.

    Returns:
        What was read; or what is wrong, and then the message is to be refused.
    """
    tokens = Tokens(announced.parts, utf8=utf8)
    try:
        return _append(tokens, announced)
    except BadSyntax as error:
        return error


def read_next(announced: Announced, before: Message) -> Message | BadSyntax:
    """Read what goes before one more message, after the message `before` (RFC 3502 section 6.3.11)."""
    tokens = Tokens(announced.parts)
    try:
        _close(tokens, before)
        if tokens.follows(b"  "):
            tokens.space()  # IMAPClient 4.1 puts two between messages
        return _message(tokens, announced)
    except BadSyntax as error:
        return error


def read_end(parts: tuple[Part, ...], before: Message) -> BadSyntax | None:
    """Read what follows the last message: return what is wrong with it."""
    tokens = Tokens(parts)
    try:
        _close(tokens, before)
        tokens.end()
    except BadSyntax as error:
        return error
    return None


def _append(tokens: Tokens, announced: Announced) -> Append:
    tag = tag_of(tokens.rest)
    tokens.expect(tag)
    tokens.space()
    tokens.keyword("APPEND")
    tokens.space()
    mailbox = tokens.mailbox()
    return Append(tag, mailbox, _message(tokens, announced))


def _message(tokens: Tokens, announced: Announced) -> Message:
    tokens.space()
    flags: list[str] = []
    internal_date, utf8 = None, False
    if tokens.follows(b"("):
        flags = tokens.items(tokens.flag, least=0)
        tokens.space()
    if tokens.follows(b'"'):
        internal_date = tokens.date_time()
        tokens.space()
    if not tokens.ends():
        utf8 = _opens_utf8(tokens)
    tokens.end()
    if utf8 and not announced.binary:
        raise BadSyntax("UTF8 goes with a literal8 only")
    return Message(tuple(dict.fromkeys(flags)), internal_date, utf8, announced.size, announced.binary)


def _opens_utf8(tokens: Tokens) -> bool:
    if tokens.keyword("flags, a date or a literal") != "UTF8":
        raise BadSyntax("Unknown option of APPEND")
    tokens.space()
    tokens.expect(b"(")
    return True


def _close(tokens: Tokens, before: Message) -> None:
    if before.utf8:
        tokens.expect(b")")


def _without(tokens: Tokens) -> Never:  # noqa: ARG001 - every command is read so
    raise BadSyntax("APPEND takes a mailbox and a message as a literal")


COMMANDS: Final[dict[str, Callable[[Tokens], Never]]] = {"APPEND": _without}
"""An APPEND with a message never comes as a whole command."""
