"""What a domain publishes: the terms of its record as values (RFC 7208 section 4.6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twistedmail_mta.spf.macros import MacroString

Result = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
"""What a check comes to (RFC 7208 section 2.6)."""


@dataclass(frozen=True, slots=True)
class All:
    """`all`: matches everybody (RFC 7208 section 5.1)."""


@dataclass(frozen=True, slots=True)
class Include:
    """`include:`: matches whom another domain's record passes (RFC 7208 section 5.2)."""

    target: MacroString


@dataclass(frozen=True, slots=True)
class Hosts:
    """`a` and `mx`: match the addresses of a name, or of its hosts for mail (RFC 7208 section 5.3 and section 5.4).

    Attributes:
        by_mx: it is `mx`.
        target: whose; None: the domain's own.
        prefix4: how many bits of an IPv4 address count.
        prefix6: how many of an IPv6 address.
    """

    by_mx: bool
    target: MacroString | None
    prefix4: int
    prefix6: int


@dataclass(frozen=True, slots=True)
class Reverse:
    """`ptr`: matches who has a name below a domain, confirmed by that name's addresses (RFC 7208 section 5.5)."""

    target: MacroString | None


@dataclass(frozen=True, slots=True)
class Network:
    """`ip4:` and `ip6:`: match the addresses of a network (RFC 7208 section 5.6).

    Attributes:
        version: 4 or 6.
        address: as a number.
        prefix: how many of its bits count.
    """

    version: int
    address: int
    prefix: int


@dataclass(frozen=True, slots=True)
class Exists:
    """`exists:`: matches if a name has an IPv4 address, whichever (RFC 7208 section 5.7)."""

    target: MacroString


Mechanism = All | Include | Hosts | Reverse | Network | Exists


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism, and what it means that it matches.

    Attributes:
        result: of whom it matches.
        mechanism: whom it matches.
        text: as it was published, up to 200 characters.
    """

    result: Result
    mechanism: Mechanism
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """A record without errors.

    Attributes:
        directives: in their order.
        redirect: whose record decides where no directive does (RFC 7208 section 6.1).
        explanation: where the text stands that tells why somebody fails (RFC 7208 section 6.2).
    """

    directives: tuple[Directive, ...]
    redirect: MacroString | None = None
    explanation: MacroString | None = None
