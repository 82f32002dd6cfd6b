"""Next hops as Postfix writes them, and what they are here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.migrating.postfix.importing import Importing
from twistedmail_mta.routes import parse_via

_HOP: Final = re.compile(r"(?:\[(?P<exact>[^\]]+)\]|(?P<domain>[^:\[\]]+))(?::(?P<port>[A-Za-z0-9]+))?")
_PORTS: Final = {"smtp": "25", "submission": "587", "smtps": "465", "submissions": "465", "lmtp": "24"}
NO_MX: Final = (
    "without brackets Postfix asks for the MX hosts of this name, here it is a host: see that it has an address"
)


@dataclass(frozen=True, slots=True)
class Way:
    """Where mail goes.

    Attributes:
        via: as a route has it.
        remark: what isn't quite the same.
        written: the next hop as Postfix wrote it, by which passwords and TLS policies are found.
    """

    via: str
    remark: str = ""
    written: str = ""


def smtp_way(hop: str, scheme: str = "smtp") -> Way:
    """Return the way to `[host]:port` or `domain`.

    Raises:
        ValueError: this is no next hop; the text says why.
    """
    found = _HOP.fullmatch(hop.strip())
    if found is None:
        raise ValueError(f"{hop} isn't a next hop")
    host = (found["exact"] or found["domain"]).removeprefix("IPv6:").removeprefix("ipv6:")
    port = _PORTS.get(found["port"] or "", found["port"] or "")
    default = "24" if scheme == "lmtp" else "25"
    via = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port or default}"
    parse_via(via, "opportunistic")
    return Way(via, "" if found["exact"] or scheme == "lmtp" else NO_MX, hop.strip())


def transport_way(doing: Importing, text: str) -> Way | None:
    """Return the way of `transport:nexthop`; None: what would be done without it.

    Raises:
        ValueError: this host has none such; the text says why.
    """
    transport, _, hop = text.partition(":")
    if not transport:
        return smtp_way(hop) if hop else None
    if transport in ("error", "retry"):
        status, _, words = hop.strip().partition(" ")
        if not re.fullmatch(r"5\.\d{1,3}\.\d{1,3}", status):
            status, words = "5.1.2", hop.strip()
        return Way(f"error:550 {status} {_ascii(words) or 'Undeliverable address'}")
    if transport == "discard":
        return Way("discard")
    if transport in ("local", "virtual"):
        return None
    command = _command(doing, transport)
    if command == "smtp":
        return smtp_way(hop) if hop else Way("mx")
    if command == "lmtp":
        return _lmtp(hop)
    raise ValueError(
        f"the transport {transport} runs {command or 'a program that master.cf lacks'}, and none is run here"
    )


def _command(doing: Importing, transport: str) -> str:
    """Return the program of a transport; the usual ones are known without master.cf."""
    found = [service.command for service in doing.services if service.kind == "unix" and service.name == transport]
    return found[0] if found else {"smtp": "smtp", "relay": "smtp", "lmtp": "lmtp"}.get(transport, "")


def _lmtp(hop: str) -> Way:
    kind, _, rest = hop.partition(":")
    if kind == "unix":
        path = rest if rest.startswith("/") else f"/var/spool/postfix/{rest}"
        parse_via(f"lmtp+unix:{path}", "none")
        return Way(f"lmtp+unix:{path}")
    return smtp_way(rest if kind == "inet" else hop, "lmtp")


def _ascii(text: str) -> str:
    return "".join(letter for letter in text if " " <= letter <= "~")[:300].strip()
