"""Finds the addresses in fields such as From and Sender, tolerantly and in linear time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
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

Token = tuple[str, str, int]
"""The kind of a token, the special itself for a special; its text; and where that begins."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An address and the tokens that it was read from.

    Attributes:
        address: what they say.
        local: the words and dots before the at sign.
        domain: those behind it.
        is_name: it stands where a display name belongs, before one in angle brackets.
    """

    address: Address
    local: Sequence[Token]
    domain: Sequence[Token]
    is_name: bool


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
    found = placed_addresses(value.decode("utf-8", "surrogateescape"), MAX_ADDRESSES)
    return None if found is None else tuple([each.address for each in found])


def placed_addresses(text: str, up_to: int) -> Sequence[Placed] | None:
    """Return every address in the value of an address field, as `addresses` does, and where it stands.

    Args:
        text: the value; what isn't UTF-8 stands in it as surrogates (PEP 383).
        up_to: addresses; one with more counts as not understood.
    """
    try:
        return _List(_tokens(text), up_to).addresses()
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
            tokens.append((found[0] if kind == "special" else str(kind), found[0], found.start()))
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

    def __init__(self, tokens: list[Token], up_to: int) -> None:
        self._tokens = tokens
        self._up_to = up_to
        self._found: list[Placed] = []
        self._words: list[Token] = []
        self._in_group = False

    def addresses(self) -> list[Placed]:
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
        end = _index(self._tokens, ">", start)
        if end is None:
            raise _NotUnderstood
        inner = self._tokens[start:end]
        if inner and inner[0][0] == "@" and (colon := _index(inner, ":")) is not None:  # an obsolete route
            inner = inner[colon + 1 :]
        self._take(inner)
        if end + 1 < len(self._tokens) and self._tokens[end + 1][0] not in (",", ";"):
            raise _NotUnderstood
        return end + 1

    def _display_name(self) -> None:
        if _index(self._words, "@") is not None:
            self._bare_address(is_name=True)
        self._words = []

    def _open_group(self) -> None:
        if self._in_group or not self._words or _index(self._words, "@") is not None:
            raise _NotUnderstood
        self._in_group, self._words = True, []

    def _end_of_element(self, kind: str) -> None:
        self._bare_address()
        if kind == ";":
            if not self._in_group:
                raise _NotUnderstood
            self._in_group = False

    def _bare_address(self, *, is_name: bool = False) -> None:
        if self._words:
            self._take(self._words, is_name=is_name)
            self._words = []

    def _take(self, tokens: list[Token], *, is_name: bool = False) -> None:
        if len(self._found) == self._up_to:
            raise _NotUnderstood
        self._found.append(_placed(tokens, is_name=is_name))


def _index(tokens: list[Token], kind: str, start: int = 0) -> int | None:
    """Return where the first token of a kind is, from `start` on."""
    for place in range(start, len(tokens)):
        if tokens[place][0] == kind:
            return place
    return None


def _placed(tokens: list[Token], *, is_name: bool) -> Placed:
    """Read an addr-spec (RFC 5322 section 3.4.1)."""
    kinds = [token[0] for token in tokens]
    if kinds.count("@") != 1:
        raise _NotUnderstood
    at = kinds.index("@")
    before, behind = tokens[:at], tokens[at + 1 :]
    local, domain = _local_part(before), _domain(behind)
    if not _is_text(local):
        raise _NotUnderstood
    return Placed(Address(local, domain), before, behind, is_name)


def _local_part(tokens: list[Token]) -> str:
    """Join words and dots; two words with no dot between them are no local part."""
    text, after_word = [], False
    for kind, word, _ in tokens:
        is_word = kind in ("atom", "quoted")
        if not (is_word or kind == ".") or (is_word and after_word):
            raise _NotUnderstood
        text.append(_QUOTED_PAIR.sub(r"\1", word[1:-1].replace("\r\n", "")) if kind == "quoted" else word)
        after_word = is_word
    if not text:
        raise _NotUnderstood
    return "".join(text)


def _domain(tokens: list[Token]) -> str:
    kinds = [token[0] for token in tokens]
    if kinds == ["literal"]:
        return tokens[0][1]
    if not kinds or any(kind != ("atom", ".")[place % 2] for place, kind in enumerate(kinds)) or kinds[-1] == ".":
        raise _NotUnderstood
    return _a_labels("".join([token[1] for token in tokens]))


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
