"""Macro strings (RFC 7208 section 7): texts with places that are filled in for each message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.spf.errors import PermError


@dataclass(frozen=True, slots=True)
class Macro:
    """A place to be filled in, such as `%{l1r-}`.

    Attributes:
        letter: in lower case: what it stands for (RFC 7208 section 7.2).
        escaped: it was in upper case: the value is escaped as in URLs (RFC 7208 section 7.3).
        keep: how many parts are kept, from the right; 0: all.
        reverse: the parts are reversed first.
        delimiters: what the value is split at.
    """

    letter: str
    escaped: bool
    keep: int
    reverse: bool
    delimiters: str

    @property
    def is_plain(self) -> bool:
        """Return whether the value stands there as it is: split at dots and put together with dots."""
        return not self.keep and not self.reverse and self.delimiters == "."


MacroString = tuple[str | Macro, ...]
"""Texts, and places between them."""

MAX_PARTS: Final = 128
"""Texts and macros in one string: a name has no more labels."""

_IN_TERMS: Final = "slodipvh"
_IN_EXPLANATIONS: Final = "slodipvhcrt"
_MOST_PARTS: Final = 999
"""What larger numbers of parts count as; 127 are enough (RFC 7208 section 7.3)."""

_EXPAND: Final = r"%\{([A-Za-z])([0-9]*)([rR]?)([.\-+,/_=]*)\}|%([%_-])"
_TERM: Final = re.compile(_EXPAND + r"|([!-$&-~]+)")
_EXPLANATION: Final = re.compile(_EXPAND + r"|([ -$&-~]+)")
_ESCAPES: Final = {"%": "%", "_": " ", "-": "%20"}
_TOP_LABEL: Final = re.compile(r"(?![0-9]+\Z)[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?")


def parse_macro_string(text: str) -> MacroString:
    """Return what stands in a term; it may be empty.

    Raises:
        PermError: a wrong macro, or a character that no term may have.
    """
    return _parse(text, _TERM, _IN_TERMS)[0]


def parse_explanation(text: str) -> MacroString:
    """Return what `exp` leads to: spaces and three more letters are allowed there (RFC 7208 section 6.2).

    Raises:
        PermError: as `parse_macro_string`.
    """
    return _parse(text, _EXPLANATION, _IN_EXPLANATIONS)[0]


def parse_domain_spec(text: str) -> MacroString:
    """Return a domain with macros: it ends in a macro, or in a dot and a label that can be a top-level one.

    Raises:
        PermError: as `parse_macro_string`, or it doesn't end so.
    """
    parts, ending = _parse(text, _TERM, _IN_TERMS)
    if not parts or (ending is not None and not _ends_a_name(ending)):
        raise PermError(f"{shown(text)} is no domain name with its top-level domain")
    return parts


def uses(parts: MacroString, letters: str) -> bool:
    """Return whether a macro stands for one of these."""
    return any(isinstance(part, Macro) and part.letter in letters for part in parts)


def shown(text: str) -> str:
    """Return what is wrong as it is told: short, in ASCII, in quotes."""
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def _parse(text: str, tokens: re.Pattern[str], letters: str) -> tuple[MacroString, str | None]:
    """Return the parts, and the text at the end; None where a macro ends it."""
    parts: list[str | Macro] = []
    position, ending = 0, None
    while position < len(text):
        found = tokens.match(text, position)
        if found is None:
            raise PermError(f"{shown(text[position : position + 20])} is no macro, and no character of a term")
        if len(parts) == MAX_PARTS:
            raise PermError(f"{shown(text)} has more than {MAX_PARTS} parts")
        ending = found[6]
        parts.append(_macro(found, letters) if found[1] else ending or _ESCAPES[found[5]])
        position = found.end()
    return tuple(parts), ending


def _macro(found: re.Match[str], letters: str) -> Macro:
    letter, digits, reverse, delimiters = found.group(1, 2, 3, 4)
    if letter.lower() not in letters:
        raise PermError(f"{found[0][:20]} has a letter that means nothing here")
    number = digits.lstrip("0")
    if digits and not number:
        raise PermError(f"{found[0][:20]} keeps no part")  # RFC 7208 section 7.3
    keep = int(number) if 0 < len(number) < 4 else _MOST_PARTS if number else 0
    return Macro(letter.lower(), letter.isupper(), keep, bool(reverse), delimiters or ".")


def _ends_a_name(text: str) -> bool:
    """Return whether a text ends in `"." toplabel [ "." ]`."""
    _, dot, label = text.removesuffix(".").rpartition(".")
    return bool(dot) and _TOP_LABEL.fullmatch(label) is not None
