"""Whom a check is about, and what macros stand for (RFC 7208 section 7.2 and section 7.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote

from twistedmail_mta.spf.macros import Macro, MacroString
from twistedmail_mta.spf.names import MAX_NAME, shortened
from twistedmail_mta.spf.record import Network

MAX_EXPLANATION: Final = 400
"""Characters of a text that others wrote and we say: it fits into one line of a reply."""

Values = Mapping[str, str]
"""What letters stand for."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A client, and what it says.

    Attributes:
        ip: its address; never a v4-mapped one (RFC 7208 section 5).
        local: the sender's local part.
        domain: the sender's domain, in A-labels.
        helo: what it said in HELO or EHLO.
        receiver: the name of this host.
        now: the time, in seconds since the epoch.
    """

    ip: IPv4Address | IPv6Address
    local: str
    domain: str
    helo: str
    receiver: str
    now: float

    @property
    def family(self) -> str:
        """Return the type of the records that can match: "A" or "AAAA"."""
        return "A" if self.ip.version == 4 else "AAAA"

    def is_in(self, network: Network) -> bool:
        """Return whether the client's address lies in a network; no address lies in one of the other kind."""
        ip = self.ip
        return ip.version == network.version and not (int(ip) ^ network.address) >> (ip.max_prefixlen - network.prefix)

    def is_one_of(self, addresses: tuple[IPv4Address | IPv6Address, ...], prefix: int) -> bool:
        """Return whether the first bits of an address are the client's; all are of its family."""
        own, shift = int(self.ip), self.ip.max_prefixlen - prefix
        return any(not (own ^ int(each)) >> shift for each in addresses)

    def values(self, domain: str, confirmed: str) -> Values:
        """Return what each macro letter stands for.

        Args:
            domain: whose record it is.
            confirmed: the client's confirmed name, for "p".
        """
        ip = self.ip
        return {
            "s": f"{self.local}@{self.domain}",
            "l": self.local,
            "o": self.domain,
            "d": domain,
            "i": str(ip) if ip.version == 4 else ".".join(f"{int(ip):032X}"),
            "p": confirmed,
            "v": "in-addr" if ip.version == 4 else "ip6",
            "h": self.helo,
            "c": str(ip),
            "r": self.receiver,
            "t": str(int(self.now)),
        }


def name_of(parts: MacroString, values: Values) -> str:
    """Return the domain name that a domain-spec makes, in lower case, without a final dot.

    It is put together from its right end, and no further than it is used.
    """
    pieces: list[str] = []
    size = 0
    for part in reversed(parts):
        pieces.append(_filled_in(part, values))
        size += len(pieces[-1])
        if size > MAX_NAME + 1:  # a final dot doesn't count
            break
    return shortened("".join(reversed(pieces)).removesuffix(".")).lower()


def text_of(parts: MacroString, values: Values) -> str:
    """Return the text that an explanation makes, cut to `MAX_EXPLANATION`; empty if it isn't all ASCII one can read."""
    pieces: list[str] = []
    size = 0
    for part in parts:
        pieces.append(_filled_in(part, values))
        size += len(pieces[-1])
        if size > MAX_EXPLANATION:
            break
    text = "".join(pieces)
    return text[:MAX_EXPLANATION] if text.isascii() and text.isprintable() else ""


def _filled_in(part: str | Macro, values: Values) -> str:
    if isinstance(part, str):
        return part
    text = values[part.letter]
    if not part.is_plain:
        text = _transformed(part, text)
    return quote(text, safe="") if part.escaped else text


def _transformed(macro: Macro, text: str) -> str:
    """Return the parts that are wanted, with dots between them whatever was there before (RFC 7208 section 7.3)."""
    parts = re.split(f"[{re.escape(macro.delimiters)}]", text)
    if macro.reverse:
        parts.reverse()
    return ".".join(parts[-macro.keep :])
