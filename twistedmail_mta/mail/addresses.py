"""Finds the addresses in fields such as From and Sender, tolerantly and in linear time."""

from __future__ import annotations

import re
from typing import Final

import idna

from twistedmail_mta.model import Address

MAX_VALUE: Final = 10_000
"""Octets of a field value; a longer one counts as not understood."""
MAX_ADDRESSES: Final = 100
"""Addresses in a field; more count as not understood."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]++)
      | (?P<quoted>"(?:[^"\\\r\n]|\\.|\r\n[ \t])*+")
      | (?P<literal>\[[^\[\]\\\x00-\x20\x7f]*+\])
      | (?P<atom>[^\x00-\x20\x7f()<>\[\]:;@\\,."]++)
      | (?P<special>[<>:;@,.])""",
    re.VERBOSE,
)
_IN_COMMENT = re.compile(r"\\.|[()]", re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)")

Token = tuple[str, str]
"""The kind of a token, the special itself for a special; and its text."""


def addresses(value: bytes) -> tuple[Address, ...] | None:
    """Return every address in the value of an address field, in order.

    The grammar is that of RFC 5322 section 3.4 with groups, comments, quoted
    strings and the obsolete forms; anything goes in a display name.  An
    unquoted display name that is itself an address counts as an address too,
    since readers disagree about which one they show.

    Returns:
        The addresses, none for an empty group; None when the value can't be
        understood.
    """
    if len(value) > MAX_VALUE:
        return None
    try:
        tokens = _tokens(value.decode("utf-8", "surrogateescape"))
        return tuple(_List(tokens).addresses())
    except _NotUnderstood:
        return None


class _NotUnderstood(Exception):
    """The value is no address list."""


def _tokens(text: str) -> list[Token]:
    """Cut the text into tokens; comments and white space vanish."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        if text[position] == "(":
            position = _behind_comment(text, position)
            continue
        found = _TOKEN.match(text, position)
        if found is None:
            raise _NotUnderstood
        position = found.end()
        kind = found.lastgroup
        if kind != "space":
            tokens.append((found[0] if kind == "special" else str(kind), found[0]))
    return tokens


def _behind_comment(text: str, start: int) -> int:
    """Return where the comment that begins at `start` ends; comments nest."""
    depth = 0
    for found in _IN_COMMENT.finditer(text, start):
        if found[0] == "(":
            depth += 1
        elif found[0] == ")":
            depth -= 1
            if not depth:
                return found.end()
    raise _NotUnderstood


class _List:
    """Reads an address list from its tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._found: list[Address] = []
        self._words: list[Token] = []
        self._in_group = False

    def addresses(self) -> list[Address]:
        tokens, position = self._tokens, 0
        while position < len(tokens):
            kind = tokens[position][0]
            position += 1
            if kind == "<":
                position = self._angle(position)
            elif kind == ":":
                self._open_group()
            elif kind in ",;":
                self._end_of_element(kind)
            else:
                self._words.append(tokens[position - 1])
        if self._in_group:
            raise _NotUnderstood
        self._bare_address()
        return self._found

    def _angle(self, start: int) -> int:
        """Take the address between angle brackets; return the position behind them."""
        self._display_name()
        try:
            end = self._tokens.index((">", ">"), start)
        except ValueError:
            raise _NotUnderstood from None
        inner = self._tokens[start:end]
        if inner and inner[0][0] == "@" and (":", ":") in inner:  # an obsolete route
            inner = inner[inner.index((":", ":")) + 1 :]
        self._take(inner)
        if end + 1 < len(self._tokens) and self._tokens[end + 1][0] not in (",", ";"):
            raise _NotUnderstood
        return end + 1

    def _display_name(self) -> None:
        if ("@", "@") in self._words:
            self._bare_address()
        self._words = []

    def _open_group(self) -> None:
        if self._in_group or not self._words or ("@", "@") in self._words:
            raise _NotUnderstood
        self._in_group, self._words = True, []

    def _end_of_element(self, kind: str) -> None:
        self._bare_address()
        if kind == ";":
            if not self._in_group:
                raise _NotUnderstood
            self._in_group = False

    def _bare_address(self) -> None:
        if self._words:
            self._take(self._words)
            self._words = []

    def _take(self, tokens: list[Token]) -> None:
        if len(self._found) == MAX_ADDRESSES:
            raise _NotUnderstood
        self._found.append(_address(tokens))


def _address(tokens: list[Token]) -> Address:
    """Read an addr-spec (RFC 5322 section 3.4.1)."""
    kinds = [kind for kind, _ in tokens]
    if kinds.count("@") != 1:
        raise _NotUnderstood
    at = kinds.index("@")
    local, domain = _local_part(tokens[:at]), _domain(tokens[at + 1 :])
    if not _is_text(local):
        raise _NotUnderstood
    return Address(local, domain)


def _local_part(tokens: list[Token]) -> str:
    """Join words and dots; two words with no dot between them are no local part."""
    text, after_word = [], False
    for kind, word in tokens:
        is_word = kind in ("atom", "quoted")
        if not (is_word or kind == ".") or (is_word and after_word):
            raise _NotUnderstood
        text.append(_QUOTED_PAIR.sub(r"\1", word[1:-1].replace("\r\n", "")) if kind == "quoted" else word)
        after_word = is_word
    if not text:
        raise _NotUnderstood
    return "".join(text)


def _domain(tokens: list[Token]) -> str:
    kinds = [kind for kind, _ in tokens]
    if kinds == ["literal"]:
        return tokens[0][1]
    if not kinds or any(kind != ("atom", ".")[place % 2] for place, kind in enumerate(kinds)) or kinds[-1] == ".":
        raise _NotUnderstood
    return _a_labels("".join(word for _, word in tokens))


def _a_labels(domain: str) -> str:
    """Return the domain in lower case and A-labels (RFC 5890 section 2.3.2.1)."""
    if domain.isascii():
        return domain.lower()
    if len(domain) > 255 or not _is_text(domain):
        raise _NotUnderstood
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _NotUnderstood from None


def _is_text(text: str) -> bool:
    """Return whether it was UTF-8: what was not came in as surrogates."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
