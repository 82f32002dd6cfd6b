"""Reads commands into values (RFC 9051 section 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.imap import append, bare, fetch, listing, login, mailboxes, search, store
from twistedmail_mta.imap.reader import NO_TAG, Part, tag_of
from twistedmail_mta.imap.tokens import BadSyntax, Tokens

NO_COMMAND: Final = "A command follows its tag, which is any word: a1 NOOP"
"""Said to people who forget the tag."""

Action = bare.Bare | login.Action | mailboxes.Action | listing.Action | fetch.Fetch | store.Action | search.Action


@dataclass(frozen=True, slots=True)
class Command:
    """A command whose grammar is right.

    Attributes:
        tag: what the client calls it.
        verb: as it was given, in capitals, with "UID " before it if it was.
        action: what it asks for.
    """

    tag: bytes
    verb: str
    action: Action


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is answered BAD.

    Attributes:
        tag: the command's; empty when it has none.
        text: why, in English.
    """

    tag: bytes
    text: str


_COMMANDS: Final[Mapping[str, Callable[[Tokens], Action]]] = {
    **bare.COMMANDS,
    **login.COMMANDS,
    **mailboxes.COMMANDS,
    **listing.COMMANDS,
    **append.COMMANDS,
    **fetch.COMMANDS,
    **store.COMMANDS,
    **search.COMMANDS,
}


def read_command(parts: tuple[Part, ...], *, utf8: bool = False) -> Command | Wrong:
    """Return what a client asks for, or what is wrong with it.

    Args:
        parts: as `reader.Complete` has them.
        utf8: see `names.decode_name`.
    """
    text = parts[0]
    tag = tag_of(text) if isinstance(text, bytes) else b""
    if not tag:
        return Wrong(b"", NO_TAG)
    tokens = Tokens(parts, utf8=utf8)
    try:
        tokens.expect(tag)
        return _read(tag, tokens)
    except BadSyntax as error:
        return Wrong(tag, str(error))


def _read(tag: bytes, tokens: Tokens) -> Command:
    if tokens.ends():
        raise BadSyntax(NO_COMMAND)
    tokens.space()
    verb = tokens.keyword("a command")
    if verb == "UID":
        tokens.space()
        verb = f"UID {tokens.keyword('a command')}"
    read = _COMMANDS.get(verb)
    if read is None:
        raise BadSyntax(NO_COMMAND if tag.decode().upper() in _COMMANDS else "Unknown command")
    action = read(tokens)
    tokens.end()
    return Command(tag, verb, action)
