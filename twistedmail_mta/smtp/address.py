"""Reads addresses: the paths of MAIL and RCPT, and what operators type.

The grammar is that of RFC 5321 section 4.1.2 and section 4.1.3, widened to
UTF-8 by RFC 6531 section 3.3.  Where people type by hand a space after the
colon and missing angle brackets are forgiven.  Nothing inside a local part
means anything here: `user%other@here` is a mailbox called `user%other`.
"""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.model import NULL_PATH, Address
from twistedmail_mta.smtp.domain import parse_domain, parse_literal
from twistedmail_mta.smtp.errors import AddressError

MAX_LOCAL: Final = 64
MAX_PATH: Final = 256

POSTMASTER: Final = Address("postmaster", "")

# Line separators, and what turns or hides the letters around it, are no part of
# any address: they would forge what people and programs read in logs and reports.
_NON_ASCII = r"\u00a0-\u2027\u202f-\u205f\u2070-\ud7ff\ue000-\ufefe\uff00-\U0010ffff"
_ATOM = rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{_NON_ASCII}-]+"
_LOCAL = rf'{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~{_NON_ASCII}]|\\[ -~])*"'
_HOST = r"\[[^\[\]\\\x00-\x20\x7f-\x9f]*\]|[^\[\]\x00-\x20\x7f-\x9f<>@,:;()\"\\]+"
_ROUTE = rf"(?:@(?:{_HOST})(?:,@(?:{_HOST}))*:)?"

_BAD_SYNTAX = "Bad address syntax; an address looks like <user@example.org>"

_MAILBOX = re.compile(rf"({_LOCAL})(?:@({_HOST}))?")
_ANGLED = re.compile(rf"<{_ROUTE}({_LOCAL})(?:@({_HOST}))?>")
_QUOTED_PAIR = re.compile(r"\\(.)")


def parse_reverse_path(text: str) -> tuple[Address, str]:
    """Read what follows `MAIL FROM:`.

    Returns:
        The address, null for `<>`, and the rest, which holds the parameters.

    Raises:
        AddressError: no path can be read.
    """
    text = text.lstrip(" ")
    if text.startswith("<>"):
        return NULL_PATH, _rest(text, 2)
    return _parse_path(text)


def parse_forward_path(text: str) -> tuple[Address, str]:
    """Read what follows `RCPT TO:`; `<postmaster>` needs no domain, in any case of its letters.

    Returns:
        The address, and the rest, which holds the parameters.

    Raises:
        AddressError: no path can be read.
    """
    text = text.lstrip(" ")
    try:
        return _parse_path(text)
    except _NoDomain as error:
        if error.local.lower() != POSTMASTER.local:
            raise
        return POSTMASTER, _rest(text, error.end)


def parse_address(text: str) -> Address:
    """Read an address as `str(address)` writes it, or as an operator types it.

    The empty text is the null path, `postmaster` the one without a domain.

    Raises:
        AddressError: it is no address, or something follows it.
    """
    if not text:
        return NULL_PATH
    found = _MAILBOX.fullmatch(text)
    if found is None:
        raise AddressError(_BAD_SYNTAX)
    if found[2] is None and found[1].lower() == POSTMASTER.local:
        return POSTMASTER
    return _address(found)


class _NoDomain(AddressError):
    """The path is a local part alone; `end` is where it ends."""

    def __init__(self, local: str, end: int) -> None:
        super().__init__("Domain missing in address")
        self.local = local
        self.end = end


def _parse_path(text: str) -> tuple[Address, str]:
    found = (_ANGLED if text.startswith("<") else _MAILBOX).match(text)
    if found is None:
        raise AddressError(_BAD_SYNTAX)
    rest = _rest(text, found.end())
    return _address(found), rest


def _rest(text: str, end: int) -> str:
    """Return what follows the path, which only a space may part from it."""
    if end < len(text) and text[end] != " ":
        raise AddressError(_BAD_SYNTAX)
    return text[end:]


def _address(found: re.Match[str]) -> Address:
    local, domain = found.groups()
    if local.startswith('"'):
        local = _QUOTED_PAIR.sub(r"\1", local[1:-1])
    if domain is None:
        raise _NoDomain(local, found.end())
    address = Address(local, parse_literal(domain) if domain.startswith("[") else parse_domain(domain))
    _check_length(address)
    return address


def _check_length(address: Address) -> None:
    """Refuse what is over the limits of RFC 5321 section 4.5.3.1.1 and section 4.5.3.1.3, in octets."""
    if len(address.local) * 4 > MAX_LOCAL and len(address.local.encode()) > MAX_LOCAL:
        raise AddressError("Local part too long")
    if len(address.local) * 4 + len(address.domain) + 6 > MAX_PATH and len(f"<{address}>".encode()) > MAX_PATH:
        raise AddressError("Path too long")
