"""Endpoint strings of listeners: checked early, and widened to IPv4 and IPv6 (PURE).

They are Twisted's server endpoint strings; only the kinds that make sense for
mail are taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

_KINDS: Final = {
    "tcp": ({"port"}, {"interface", "backlog"}),
    "tcp6": ({"port"}, {"interface", "backlog"}),
    "unix": ({"address"}, {"mode", "backlog", "lockfile"}),
    "systemd": ({"domain"}, {"index", "name"}),
}
_FIRST: Final = {"tcp": "port", "tcp6": "port", "unix": "address", "systemd": "domain"}
_DOMAINS: Final = ("INET", "INET6", "UNIX")
_BACKLOG: Final = "511"  # Twisted's 50 drops clients that come all at once
_PIECE = re.compile(r"(?:[^\\:]|\\.)*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server endpoint string, taken apart.

    Attributes:
        kind: "tcp", "tcp6", "unix" or "systemd".
        arguments: the named arguments; the first, nameless one under its name.
    """

    kind: str
    arguments: dict[str, str]

    def __str__(self) -> str:
        """Return the endpoint string, as Twisted reads it."""
        first = _FIRST[self.kind]
        rest = [f"{name}={_escape(value)}" for name, value in self.arguments.items() if name != first]
        return ":".join([self.kind, _escape(self.arguments[first]), *rest])

    @property
    def is_private(self) -> bool:
        """Return whether no other host can get there."""
        if self.kind == "unix":
            return True
        interface = self.arguments.get("interface", "")
        return bool(interface) and ip_address(interface.partition("%")[0]).is_loopback

    @property
    def place(self) -> str:
        """Return where it listens, as people say it: "127.0.0.1:2525"."""
        if self.kind in ("unix", "systemd"):
            return str(self)
        interface = self.arguments.get("interface", "*")
        return (
            f"[{interface}]:{self.arguments['port']}" if ":" in interface else f"{interface}:{self.arguments['port']}"
        )


def parse_endpoint(text: str) -> Endpoint:
    r"""Take an endpoint string apart.

    Raises:
        ValueError: it is none, or of a kind that is not for mail.
    """
    kind, *rest = _pieces(text)
    if kind not in _KINDS:
        raise ValueError(f'must begin with "tcp:", "tcp6:", "unix:" or "systemd:", not {kind!r}')
    arguments = _arguments(kind, rest)
    required, optional = _KINDS[kind]
    if unknown := arguments.keys() - required - optional:
        raise ValueError(f"{kind} endpoints have no {_listed(unknown)}")
    if missing := required - arguments.keys():
        raise ValueError(f"{kind} endpoints need {_listed(missing)}")
    _check(kind, arguments)
    return Endpoint(kind, arguments)


def widened(text: str, *, ipv6: bool, dual: bool) -> tuple[str, ...]:
    r"""Return the endpoint strings to bind for one of the site file.

    A `tcp` endpoint without an interface means every IPv4 and IPv6 address,
    and a port without a backlog gets one that takes a burst of clients.  A
    unix socket whose mode isn't said is for our user and group alone.

    Args:
        text: an endpoint string that `parse_endpoint` takes.
        ipv6: the host has IPv6.
        dual: an IPv6 socket takes IPv4 connections too (Linux, unless
            net.ipv6.bindv6only is set); binding both would fail.
    """
    endpoint = parse_endpoint(text)
    if endpoint.kind == "systemd":
        return (text,)
    arguments = {"backlog": _BACKLOG} | endpoint.arguments
    if endpoint.kind == "unix":
        return (str(Endpoint("unix", {"mode": "660"} | arguments)),)
    alone = str(Endpoint(endpoint.kind, arguments))
    if endpoint.kind == "tcp6" or "interface" in arguments or not ipv6:
        return (alone,)
    six = str(Endpoint("tcp6", arguments | {"interface": "::"}))
    return (six,) if dual else (alone, six)


def _pieces(text: str) -> list[str]:
    pieces: list[str] = []
    end = -1
    while end < len(text):
        piece = _PIECE.match(text, end + 1)
        pieces.append(piece[0] if piece else "")
        end += 1 + len(pieces[-1])
        if text[end : end + 1] == "\\":
            raise ValueError("ends in a lone backslash")
    return pieces


def _arguments(kind: str, pieces: list[str]) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for place, piece in enumerate(pieces):
        name, equals, value = piece.partition("=")
        if not equals:
            if place:
                raise ValueError(f"{piece!r} is no name=value")
            name, value = _FIRST[kind], piece
        arguments[name] = re.sub(r"\\(.)", r"\1", value)
    return arguments


def _check(kind: str, arguments: dict[str, str]) -> None:
    port = arguments.get("port")
    if port is not None and not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"{port!r} is no port number")
    interface = arguments.get("interface")
    if interface is not None and ip_address(interface.partition("%")[0]).version != (6 if kind == "tcp6" else 4):
        raise ValueError(f"{kind} endpoints can't bind {interface}")
    domain = arguments.get("domain", _DOMAINS[0])
    if domain not in _DOMAINS:
        raise ValueError(f"systemd endpoints are of the domain {_listed(set(_DOMAINS))}, not {domain!r}")
    if kind == "systemd" and ("index" in arguments) == ("name" in arguments):
        raise ValueError("systemd endpoints need index= or name=")


def _escape(value: str) -> str:
    return re.sub(r"([\\:=])", r"\\\1", value)


def _listed(names: set[str]) -> str:
    return " or ".join(sorted(names))
