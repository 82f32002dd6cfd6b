"""Reads fields of addresses for display: something is shown for whatever was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from twistedmail_mta.mail.field_value import behind_comment, unquoted

_TOKENS: Final = 5
"""Tokens that are read for each mailbox there may be."""
NO_DOMAIN: Final = b"MISSING_DOMAIN"
"""Stands for a domain that isn't there; Dovecot's word, which clients know."""
NO_LOCAL_PART: Final = b"MISSING_MAILBOX"


class Mailbox(NamedTuple):
    """A mailbox, or where a group begins or ends, as in ENVELOPE (RFC 9051 section 7.5.2).

    Attributes:
        name: the display name, encoded words left as they are; None without.
        route: an obsolete source route (RFC 5322 section 4.4).
        local: the local part without quotes, the name of a group; None at its end.
        domain: None for a group.
    """

    name: bytes | None
    route: bytes | None
    local: bytes | None
    domain: bytes | None


GROUP_END: Final = Mailbox(None, None, None, None)

_LOCAL = rb'[^\x00-\x20\x7f()<>\[\]:;@\\,"]++'
_DOMAIN = rb'[^\x00-\x20\x7f()<>\[\]:;@\\,"]++'
_COMMON = re.compile(
    rb"""[ \t,]*+ (?: (?: "([^"\\]*+)" | ([^\x00-\x1f\x7f()<>\[\]:;@\\,"]*+) ) [ \t]*+ <("""
    + _LOCAL + rb")@(" + _DOMAIN + rb")> | (" + _LOCAL + rb")@(" + _DOMAIN + rb") ) [ \t]*+ (?:,|\Z)",
    re.VERBOSE,
)  # fmt: skip
_TOKEN = re.compile(
    rb"""(?P<space>[ \t\r\n]++)
      | "(?P<quoted>(?:[^"\\]|\\.)*+)(?:"|\\?\Z)
      | (?P<special>[<>:;@,])
      | (?P<comment>\()
      | (?P<atom>(?:\[[^\[\]]*+\]|[^ \t\r\n"<>:;@,(])[^ \t\r\n"<>:;@,(]*+)""",
    re.VERBOSE | re.DOTALL,
)

Token = tuple[str, bytes]
"""Its kind, for a special the character itself, and its text."""


def address_list(value: bytes, up_to: int) -> list[Mailbox]:
    """Return the mailboxes in an unfolded value, in order, with marks where groups begin and end.

    Linear in the length.

    Args:
        value: of the field.
        up_to: mailboxes and marks; those behind are left out.
    """
    found: list[Mailbox] = []
    position, end = 0, len(value.rstrip(b" \t,"))
    while position < end and len(found) < up_to:
        match = _COMMON.match(value, position)
        if match is None:
            return _Reader(found, up_to).read(islice(_tokens(value, position), up_to * _TOKENS))
        quoted, phrase, local, domain, bare, bare_domain = match.groups()
        name = phrase.rstrip() if phrase else quoted
        found.append(Mailbox(name or None, None, local or bare, domain or bare_domain))
        position = match.end()
    return found


def _tokens(value: bytes, position: int) -> Iterator[Token]:
    """Cut the value into tokens; every octet belongs to one."""
    while (match := _TOKEN.match(value, position)) is not None:
        kind, position = str(match.lastgroup), match.end()
        text = match[kind]
        if kind == "comment":
            position = behind_comment(value, match.start()) or len(value)
            text = value[match.end() : position].removesuffix(b")")
        elif kind == "quoted":
            text = unquoted(text)
        elif kind == "special":
            kind = text.decode()
        yield kind, text


class _Reader:
    """Makes mailboxes of tokens, whatever their order."""

    def __init__(self, found: list[Mailbox], up_to: int) -> None:
        self._found = found
        self._up_to = up_to
        self._words: list[Token] = []  # outside angle brackets
        self._angle: list[Token] | None = None  # inside
        self._is_done = False  # what follows an angle bracket isn't shown
        self._in_group = False

    def read(self, tokens: Iterator[Token]) -> list[Mailbox]:
        for token in tokens:
            if self._angle is None:
                self._outside(token)
            else:
                self._inside(token, self._angle)
            if len(self._found) >= self._up_to:
                return self._found[: self._up_to]
        self._end_mailbox()
        self._end_group()
        return self._found[: self._up_to]

    def _outside(self, token: Token) -> None:
        kind = token[0]
        if kind == "<":
            self._angle = []
        elif kind in ",;":
            self._end_mailbox()
            if kind == ";":
                self._end_group()
        elif kind == ":" and not self._in_group:
            self._in_group = True
            self._found.append(Mailbox(None, None, _phrase(self._words), None))
            self._words = []
        elif kind not in "<>:":
            self._words.append(token)

    def _inside(self, token: Token, angle: list[Token]) -> None:
        kind = token[0]
        if kind == ">":
            self._end_angle(angle)
            self._is_done = True
        elif kind == "," and not (angle and angle[0][0] == "@"):
            self._end_mailbox()
        else:
            angle.append(token)

    def _end_mailbox(self) -> None:
        if self._angle is not None:
            self._end_angle(self._angle)
        elif not self._is_done and any(kind not in ("space", "comment") for kind, _ in self._words):
            self._found.extend(_bare(self._words))
        self._words, self._is_done = [], False

    def _end_angle(self, angle: list[Token]) -> None:
        route, rest = _route(angle)
        self._found.append(Mailbox(_phrase(self._words) or _comment(self._words), route, *_address(rest)))
        self._angle, self._words = None, []

    def _end_group(self) -> None:
        if self._in_group:
            self._in_group = False
            self._found.append(GROUP_END)


def _bare(words: list[Token]) -> list[Mailbox]:
    """Read what stands without angle brackets: addresses with nothing between them, an address, or a name alone."""
    text = _phrase(words)
    ats = sum(kind == "@" for kind, _ in words)
    if ats > 1 and b" " in text:
        addresses = [part.rpartition(b"@") for part in text.split(b" ") if b"@" in part]
        return [Mailbox(None, None, local or NO_LOCAL_PART, domain or NO_DOMAIN) for local, _, domain in addresses]
    if not ats and b" " in text:
        return [Mailbox(text, None, NO_LOCAL_PART, NO_DOMAIN)]
    return [Mailbox(_comment(words), None, *_address(words))]


def _phrase(words: list[Token]) -> bytes:
    """Return the words as a display name, one space where there was any or a comment; quoted text as it is."""
    pieces: list[bytes] = []
    gap = False
    for kind, text in words:
        if kind in ("space", "comment"):
            gap = bool(pieces)
        else:
            pieces += (b" ", text) if gap else (text,)
            gap = False
    return b"".join(pieces)


def _comment(words: list[Token]) -> bytes | None:
    """Return the last comment: before display names were invented it held them."""
    return next((text for kind, text in reversed(words) if kind == "comment"), None)


def _route(angle: list[Token]) -> tuple[bytes | None, list[Token]]:
    """Return the source route and what follows it."""
    if not angle or angle[0][0] != "@" or (":", b":") not in angle:
        return None, angle
    end = angle.index((":", b":"))
    return _joined(angle[:end]), angle[end + 1 :]


def _address(words: list[Token]) -> tuple[bytes, bytes]:
    """Return local part and domain; only the last at sign counts."""
    kinds = [kind for kind, _ in words]
    if "@" not in kinds:
        return _phrase(words) or NO_LOCAL_PART, NO_DOMAIN
    at = len(kinds) - 1 - kinds[::-1].index("@")
    return _joined(words[:at]) or NO_LOCAL_PART, _joined(words[at + 1 :]) or NO_DOMAIN


def _joined(words: list[Token]) -> bytes:
    return b"".join(text for kind, text in words if kind not in ("space", "comment"))
