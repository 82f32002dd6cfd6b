"""The text of a route, such as "smtp://relay.example.net:587", and what it means."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from twistedmail_mta.model import Discard, NextHop, Refuse, RelayLogin, Reply, Route, TLSLevel, Via

SMTP_PORT: Final = 25
SMTPS_PORT: Final = 465
LMTP_PORT: Final = 24
MAX_SOCKET_PATH: Final = 107
"""Octets in the path of a unix socket, as Linux has it."""

HOPS: Final = (
    '"smtp://HOST[:PORT]", "smtps://HOST[:PORT]", "lmtp://HOST[:PORT]", "lmtp+unix:/PATH", "maildir:/PATH" or "mx"'
)
"""What a next hop may be."""

FILTER: Final = "filter+"
"""What stands before a next hop that is a content filter, where one is chosen for some mail.

A route of the site file can't be one: the mail would come back and take it again.
"""

FILTERS: Final = '"smtp://HOST[:PORT]", "smtps://HOST[:PORT]", "lmtp://HOST[:PORT]" or "lmtp+unix:/PATH"'
"""What a content filter may be."""

NO_TLS_THERE: Final = "a unix socket or a Maildir is no place for TLS: nothing leaves this host there"

_GRAMMAR: Final = HOPS.replace(" or", ",") + ', "discard" or "error:CODE TEXT"'
_PORTS: Final = {"smtp": SMTP_PORT, "smtps": SMTPS_PORT, "lmtp": LMTP_PORT}
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*\.?")
_TARGET = re.compile(r"(?:\[(?P<ipv6>[^\[\]]*)\]|(?P<host>[^\[\]:/]*))(?::(?P<port>[0-9]{1,5}))?/?")
_DETAIL = r"\.[0-9]{1,3}\.[0-9]{1,3}"
_ERROR = re.compile(
    rf"(?P<code>5[0-9][0-9])(?: (?P<status>5{_DETAIL}))? (?P<text>(?![0-9]{_DETAIL}(?: |$))[ -~]{{1,400}})"
)


def parse_via(via: str, tls: TLSLevel, login: RelayLogin | None = None, port: int = SMTP_PORT) -> Route:
    """Return what a route's `via` means.

    A next hop of "mx" has no host yet: it is each recipient's own domain.

    Args:
        via: "smtp://HOST[:PORT]", "smtps://HOST[:PORT]", "lmtp://HOST[:PORT]",
            "lmtp+unix:/PATH", "maildir:/PATH", "mx", "discard" or
            "error:CODE TEXT"; an IPv6 address stands in brackets, and in the
            path of a Maildir {local} and {domain} stand for the recipient's.
        tls: what is demanded of the next hop; a unix socket needs none.
        login: how to log in there.
        port: where MX hosts listen.

    Raises:
        ValueError: `via` says none of these; the message tells a reader of the site file why.
    """
    if via == "mx":
        return NextHop("", port, mx=True, tls=tls, login=login)
    if via == "discard":
        return Discard()
    kind, separator, rest = via.partition(":")
    if kind == "error" and separator:
        return Refuse(_reply(rest))
    if kind in _PORTS and rest.startswith("//"):
        return _next_hop(kind, rest[2:], tls, login)
    if kind == "lmtp+unix" and separator:
        return NextHop(_socket(rest), 0, tls="none", login=login, lmtp=True)
    if kind == "maildir" and separator:
        return NextHop(_maildir(rest), 0, tls="none", login=login, local="maildir")
    raise ValueError(f"must be {_GRAMMAR}")


def chosen_hop(chosen: Via, tls: TLSLevel = "opportunistic", port: int = SMTP_PORT) -> NextHop:
    """Return the next hop that was chosen for some mail; one of "mx" has no host yet.

    Args:
        chosen: the choice.
        tls: what is demanded where the choice doesn't say.
        port: where MX hosts listen.

    Raises:
        ValueError: it is no next hop; the message tells why.
    """
    is_filter, via = chosen.via.startswith(FILTER), chosen.via.removeprefix(FILTER)
    if tls == "none" and via.startswith("smtps:"):
        tls = "opportunistic"  # that much was chosen
    route = parse_via(via, chosen.tls or tls, port=port)
    if not isinstance(route, NextHop):
        raise ValueError(f"must be {HOPS}")  # noqa: TRY004 - a text that says something else
    if is_filter:
        route = _filter(route)
    if route.is_here and chosen.tls == "required":
        raise ValueError(NO_TLS_THERE)
    return route


def _filter(hop: NextHop) -> NextHop:
    if hop.mx or hop.local is not None:
        raise ValueError(f"a content filter is {FILTERS}")
    return replace(hop, is_filter=True)


def hop_text(next_hop: NextHop) -> str:
    """Return how operators write a next hop: the domain whose MX counts, or what `parse_via` reads.

    The mailboxes of this host go by the name of their kind.
    """
    if next_hop.local is not None:
        return f"maildir:{next_hop.host}" if next_hop.local == "maildir" else next_hop.local
    if next_hop.mx:
        return next_hop.host
    mark = FILTER if next_hop.is_filter else ""
    if next_hop.is_socket:
        return f"{mark}lmtp+unix:{next_hop.host}"
    scheme = "lmtp" if next_hop.lmtp else "smtps" if next_hop.implicit_tls else "smtp"
    host = f"[{next_hop.host}]" if ":" in next_hop.host else next_hop.host
    return f"{mark}{scheme}://{host}:{next_hop.port}"


def route_text(route: Route) -> str:
    """Return how a route is written: `hop_text`, "discard", or "error:" and the reply."""
    match route:
        case Discard():
            return "discard"
        case Refuse(reply):
            return f"error:{reply}"
    return hop_text(route)


def _next_hop(scheme: str, text: str, tls: TLSLevel, login: RelayLogin | None) -> NextHop:
    parts = _TARGET.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} is not HOST or HOST:PORT (an IPv6 address needs brackets)")
    implicit_tls = scheme == "smtps"
    if implicit_tls and tls == "none":
        raise ValueError('smtps and tls = "none" contradict each other')
    host = _host(parts["host"]) if parts["ipv6"] is None else _ipv6(parts["ipv6"])
    port = int(parts["port"] or _PORTS[scheme])
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port")
    if scheme == "lmtp" and port == SMTP_PORT:
        raise ValueError("LMTP is never spoken on port 25 (RFC 2033 section 5)")
    return NextHop(host, port, implicit_tls=implicit_tls, tls=tls, login=login, lmtp=scheme == "lmtp")


def _socket(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise ValueError(f"{path!r} is no absolute path of a socket")
    if len(path.encode("utf-8", "replace")) > MAX_SOCKET_PATH:
        raise ValueError(f"{path!r} is too long for a socket's path: {MAX_SOCKET_PATH} octets at most")
    return path


def _maildir(template: str) -> str:
    levels = template.split("/")[1:]
    if not template.startswith("/") or "\0" in template:
        raise ValueError(f"{template!r} is no absolute path of a Maildir")
    if any(level in {"", ".", ".."} for level in levels):
        raise ValueError(f"{template!r} has an empty level, or one that leads elsewhere")
    if re.search(r"[{}]", re.sub(r"\{(?:local|domain)\}", "", template)):
        raise ValueError(f"{template!r} may hold {{local}} and {{domain}}, and no other brace")
    return template


def _host(text: str) -> str:
    host = text.lower()
    if len(host) > 255 or not _HOST.fullmatch(host):
        raise ValueError(f"{text!r} is no host name or address")
    host = host.rstrip(".")
    if host.rpartition(".")[2].isdigit():
        return _ipv4(host)
    return host


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no host name or address") from None


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no IPv6 address") from None


def _reply(text: str) -> Reply:
    parts = _ERROR.fullmatch(text.strip())
    if parts is None:
        raise ValueError(f'{text!r} is no permanent reply such as "550 5.1.2 No such host"')
    return Reply(int(parts["code"]), parts["status"] or "5.0.0", parts["text"])
