"""Reads a record (RFC 7208 section 4.6.1 and section 12), whole: one error anywhere makes all of it void."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, TypeVar

from twistedmail_mta.spf.errors import PermError
from twistedmail_mta.spf.macros import MacroString, parse_domain_spec, parse_macro_string, shown
from twistedmail_mta.spf.record import (
    All,
    Directive,
    Exists,
    Hosts,
    Include,
    Mechanism,
    Network,
    Record,
    Result,
    Reverse,
)

T = TypeVar("T")

MAX_SHOWN: Final = 200
"""Characters of a term that are told; longer ones are cut."""
USUAL: Final = 512
"""Octets of a record that most don't exceed."""

_RESULTS: Final[dict[str, Result]] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=")
_MECHANISM: Final = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)")
_LENGTHS: Final = re.compile(r"(?:/([0-9]+))?(?://([0-9]+))?\Z")
_IPV4: Final = re.compile(r":[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,2}")


def is_record(text: bytes) -> bool:
    """Return whether a TXT record is one of SPF, whatever its errors (RFC 7208 section 4.5)."""
    return text[:6].lower() == b"v=spf1" and text[6:7] in {b"", b" "}


def parse(text: str) -> Record:
    """Return a record.

    Args:
        text: all of it, from its version on.

    Raises:
        PermError: it has an error; the text names the term.
    """
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in filter(None, text.split(" ")[1:]):
        found = _MODIFIER.match(term)
        if found is None:
            directives.append(_directive(term))
        else:
            _add_modifier(modifiers, found[1].lower(), term, term[found.end() :])
    return Record(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


def read(text: str) -> Record:
    """Return a record as `parse`; those of usual length (RFC 7208 section 3.4) are remembered, since many share them.

    Raises:
        PermError: as `parse`.
    """
    return _remembered(text) if len(text) <= USUAL else parse(text)


@lru_cache(256)
def _remembered(text: str) -> Record:
    return parse(text)


def _add_modifier(modifiers: dict[str, MacroString], name: str, term: str, value: str) -> None:
    """Keep what `redirect` and `exp` say; others need be well-formed only (RFC 7208 section 6)."""
    if name not in {"redirect", "exp"}:
        _within(term, parse_macro_string, value)
    elif name in modifiers:
        raise PermError(f"{name}= stands there twice")
    else:
        modifiers[name] = _within(term, parse_domain_spec, value)


def _directive(term: str) -> Directive:
    found = _MECHANISM.match(term)
    read = _READERS.get(found[2].lower()) if found is not None else None
    if found is None or read is None:
        raise PermError(f"{shown(term)} is no mechanism")
    text = term if len(term) <= MAX_SHOWN else f"{term[: MAX_SHOWN - 3]}..."
    return Directive(_RESULTS[found[1] or "+"], _within(term, read, term[found.end() :]), text)


def _within(term: str, read: Callable[[str], T], text: str) -> T:
    """Read a part of a term; an error names all of the term."""
    try:
        return read(text)
    except PermError as error:
        raise PermError(f"{shown(term)}: {error}") from None


def _all(rest: str) -> Mechanism:
    if rest:
        raise PermError("nothing may follow")
    return All()


def _include(rest: str) -> Mechanism:
    return Include(_target(rest))


def _exists(rest: str) -> Mechanism:
    return Exists(_target(rest))


def _reverse(rest: str) -> Mechanism:
    return Reverse(_target(rest) if rest else None)


def _a(rest: str) -> Mechanism:
    return _hosts(rest, by_mx=False)


def _mx(rest: str) -> Mechanism:
    return _hosts(rest, by_mx=True)


def _hosts(rest: str, *, by_mx: bool) -> Mechanism:
    """Read `[ ":" domain-spec ] [ dual-cidr-length ]`; slashes may stand in the domain, too."""
    lengths = _lengths(rest)
    rest = rest[: lengths.start()]
    if _IPV4.fullmatch(rest):
        raise PermError("addresses go with ip4:")
    target = _target(rest) if rest else None
    return Hosts(by_mx, target, _length(lengths[1], 32), _length(lengths[2], 128))


def _ip4(rest: str) -> Mechanism:
    return _network(rest, 4, 32)


def _ip6(rest: str) -> Mechanism:
    return _network(rest, 6, 128)


def _network(rest: str, version: int, most: int) -> Mechanism:
    address, slash, length = _value(rest).partition("/")
    try:
        number = int(IPv4Address(address) if version == 4 else IPv6Address(address))
    except AddressValueError:
        number = -1
    if number < 0 or "%" in address:  # Python knows zones of IPv6 addresses
        raise PermError(f"{shown(address)} is no IPv{version} address")
    return Network(version, number, _length(length if slash else None, most))


_READERS: Final[dict[str, Callable[[str], Mechanism]]] = {
    "all": _all,
    "include": _include,
    "a": _a,
    "mx": _mx,
    "ptr": _reverse,
    "ip4": _ip4,
    "ip6": _ip6,
    "exists": _exists,
}


def _target(rest: str) -> MacroString:
    return parse_domain_spec(_value(rest))


def _value(rest: str) -> str:
    if not rest.startswith(":"):
        raise PermError("a colon and a value must follow")
    return rest[1:]


def _length(digits: str | None, most: int) -> int:
    """Return how many bits of an address count; all of them where it isn't said."""
    if digits is None:
        return most
    if _LENGTH.fullmatch(digits) is None or int(digits) > most:
        raise PermError(f"{shown('/' + digits)} is no number of bits from 0 to {most}")
    return int(digits)


def _lengths(rest: str) -> re.Match[str]:
    """Return what is said of lengths at the end, perhaps nothing."""
    start = len(rest.rstrip("0123456789/"))
    found = _LENGTHS.search(rest, start)
    if found is None:
        raise RuntimeError("what may be empty is found at the end")
    return found
