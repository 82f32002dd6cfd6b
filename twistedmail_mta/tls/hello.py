"""What a client says first in TLS: the protocols that it offers (PURE).

RFC 8446 section 4.1.2, RFC 7301 section 3.1.
"""

from __future__ import annotations

from typing import Final

_HANDSHAKE_RECORD: Final = 22
_CLIENT_HELLO: Final = 1
_ALPN: Final = 16
_BEFORE_SESSION_ID: Final = 34
"""Octets: the version and the random number."""


def offered_protocols(octets: bytes) -> tuple[bytes, ...] | None:
    """Return the protocols that a client offers, in its order; None while its first message isn't complete.

    Args:
        octets: all that it has sent.

    Raises:
        ValueError: that is no beginning of TLS.
    """
    message = _first_message(octets)
    return None if message is None else _protocols(_Reader(message))


def _first_message(octets: bytes) -> bytes | None:
    """Return the body of the first message, which may lie in several records (RFC 8446 section 5.1)."""
    records, message = _Reader(octets), b""
    while len(message) < 4 or len(message) - 4 < int.from_bytes(message[1:4]):
        if not records.rest:
            return None
        if records.rest[0] != _HANDSHAKE_RECORD or message[:1] not in (b"", bytes([_CLIENT_HELLO])):
            raise ValueError("no ClientHello")
        if len(records.rest) < 5 or len(records.rest) - 5 < int.from_bytes(records.rest[3:5]):
            return None
        records.take(3)
        message += records.vector(2)
    if message[0] != _CLIENT_HELLO:
        raise ValueError("no ClientHello")
    return message[4 : 4 + int.from_bytes(message[1:4])]


def _protocols(hello: _Reader) -> tuple[bytes, ...]:
    hello.take(_BEFORE_SESSION_ID)
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        hello.vector(size)
    extensions = _Reader(hello.vector(2) if hello.rest else b"")
    while extensions.rest:
        kind, content = int.from_bytes(extensions.take(2)), extensions.vector(2)
        if kind == _ALPN:
            names, found = _Reader(_Reader(content).vector(2)), []
            while names.rest:
                found.append(names.vector(1))
            return tuple(found)
    return ()


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
