"""Commands about who speaks and what they speak: LOGIN, AUTHENTICATE, ENABLE, ID."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.imap.tokens import BadSyntax, Tokens
from twistedmail_mta.sasl.base64 import decode_base64

MAX_FIELDS: Final = 30
"""Fields of ID that are kept (RFC 2971 section 3.3)."""


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN (RFC 9051 section 6.2.3)."""

    name: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE (RFC 9051 section 6.2.2).

    Attributes:
        mechanism: in capitals.
        initial: the initial response, decoded; None when there was none.
    """

    mechanism: str
    initial: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enable:
    """ENABLE (RFC 9051 section 6.3.1): capabilities in capitals, known or not."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identify:
    """ID (RFC 2971 section 3.1): what the client says of itself; nothing for NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...]


def _login(tokens: Tokens) -> Login:
    tokens.space()
    name = tokens.astring("a user name")
    tokens.space()
    return Login(name, tokens.astring("a password"))


def _authenticate(tokens: Tokens) -> Authenticate:
    tokens.space()
    mechanism = tokens.keyword("a mechanism")
    if not tokens.skip(b" "):
        return Authenticate(mechanism, None)
    if tokens.rest == b"=":
        tokens.expect(b"=")
        return Authenticate(mechanism, b"")
    initial = decode_base64(tokens.atom("base64"))
    if initial is None:
        raise BadSyntax("The initial response isn't base64")
    return Authenticate(mechanism, initial)


def _enable(tokens: Tokens) -> Enable:
    found = []
    tokens.space()
    found.append(tokens.atom("a capability"))
    while tokens.skip(b" "):
        found.append(tokens.atom("a capability"))
    return Enable(tuple(capability.decode().upper() for capability in found))


def _identify(tokens: Tokens) -> Identify:
    tokens.space()
    if not tokens.follows(b"("):
        if tokens.nstring("a list or NIL") is not None:
            raise BadSyntax("Expected a list or NIL")
        return Identify(())
    return Identify(tuple(_fields(tokens)[:MAX_FIELDS]))


def _fields(tokens: Tokens) -> list[tuple[bytes, bytes | None]]:
    """Read the list, with spaces inside its parentheses, too, as aioimaplib 2.0 writes it."""
    tokens.expect(b"(")
    tokens.skip(b" ")
    found = []
    while not tokens.skip(b")"):
        found.append(_field(tokens))
        if not tokens.skip(b" ") and not tokens.follows(b")"):
            raise BadSyntax("Expected a space or the end of the list")
    return found


def _field(tokens: Tokens) -> tuple[bytes, bytes | None]:
    name = tokens.string("the name of a field")
    tokens.space()
    return name, tokens.nstring()


Action = Login | Authenticate | Enable | Identify

COMMANDS: Final[dict[str, Callable[[Tokens], Action]]] = {
    "LOGIN": _login,
    "AUTHENTICATE": _authenticate,
    "ENABLE": _enable,
    "ID": _identify,
}
