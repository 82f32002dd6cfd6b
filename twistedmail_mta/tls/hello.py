"""What a client says first in TLS: the name that it wants, and the protocols that it offers (PURE).

RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301 section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_RECORDS: Final = 8
"""In which the message may lie; clients send one, and each has to be looked at again whenever more comes."""

_HANDSHAKE_RECORD: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
_ALPN: Final = 16
_BEFORE_SESSION_ID: Final = 34
"""Octets: the version and the random number."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What of it matters here.

    Attributes:
        server_name: the host that is wanted, in lower case; empty where none is named.
        protocols: those that are offered, in the client's order.
    """

    server_name: str = ""
    protocols: tuple[bytes, ...] = ()


def read_hello(octets: bytes) -> ClientHello | None:
    """Return what a client says first; None while it isn't complete.

    Args:
        octets: all that it has sent.

    Raises:
        ValueError: that is no beginning of TLS.
    """
    message = _first_message(octets)
    return None if message is None else _client_hello(_Reader(message))


def _first_message(octets: bytes) -> bytes | None:
    """Return the body of the first message, which may lie in several records (RFC 8446 section 5.1)."""
    records, message, count = _Reader(octets), b"", 0
    while len(message) < 4 or len(message) - 4 < int.from_bytes(message[1:4]):
        if not records.rest:
            return None
        count += 1
        if count > MOST_RECORDS:
            raise ValueError("too many records")
        if records.rest[0] != _HANDSHAKE_RECORD or message[:1] not in (b"", bytes([_CLIENT_HELLO])):
            raise ValueError("no ClientHello")
        if len(records.rest) < 5 or len(records.rest) - 5 < int.from_bytes(records.rest[3:5]):
            return None
        records.take(3)
        message += records.vector(2)
    if message[0] != _CLIENT_HELLO:
        raise ValueError("no ClientHello")
    return message[4 : 4 + int.from_bytes(message[1:4])]


def _client_hello(hello: _Reader) -> ClientHello:
    hello.take(_BEFORE_SESSION_ID)
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        hello.vector(size)
    extensions = _Reader(hello.vector(2) if hello.rest else b"")
    name = ""
    protocols: tuple[bytes, ...] = ()
    while extensions.rest:
        kind, content = int.from_bytes(extensions.take(2)), extensions.vector(2)
        if kind == _SERVER_NAME:
            name = _host_name(_Reader(content))
        elif kind == _ALPN:
            protocols = _protocols(_Reader(content))
    return ClientHello(name, protocols)


def _host_name(content: _Reader) -> str:
    names = _Reader(content.vector(2))
    while names.rest:
        kind, name = names.take(1)[0], names.vector(2)
        if kind == _HOST_NAME:
            return name.decode("ascii", "replace").lower()
    return ""


def _protocols(content: _Reader) -> tuple[bytes, ...]:
    names, found = _Reader(content.vector(2)), []
    while names.rest:
        found.append(names.vector(1))
    return tuple(found)


class _Reader:
    """Reads octets from the front.

    Attributes:
        rest: what wasn't read yet.
    """

    def __init__(self, octets: bytes) -> None:
        self.rest = octets

    def take(self, count: int) -> bytes:
        """Return so many octets."""
        if len(self.rest) < count:
            raise ValueError("shorter than it says")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def vector(self, size: int) -> bytes:
        """Return what follows a length of `size` octets."""
        return self.take(int.from_bytes(self.take(size)))
