"""What the server tells a filter, as packets (SMFIC_*)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from twistedmail_mta.milter.errors import TooLarge
from twistedmail_mta.milter.packets import encode
from twistedmail_mta.milter.terms import MAX_CHUNK, VERSION, Action, Step

CONNECT: Final = b"C"
HELLO: Final = b"H"
MAIL: Final = b"M"
RECIPIENT: Final = b"R"
DATA: Final = b"T"
HEADER: Final = b"L"
END_OF_HEADER: Final = b"N"
BODY: Final = b"B"
END_OF_MESSAGE: Final = b"E"
UNKNOWN: Final = b"U"

ABORT: Final = encode(b"A")
"""Forget the message; nothing is answered."""
QUIT: Final = encode(b"Q")
"""Close the connection; nothing is answered."""
NEXT_CLIENT: Final = encode(b"K")
"""The client is gone and another one follows (SMFIC_QUIT_NC); nothing is answered."""

_NUMBERS: Final = struct.Struct("!III")
_PORT: Final = struct.Struct("!H")


def negotiate(actions: Action, steps: Step) -> bytes:
    """Offer what the filter may do and leave out (SMFIC_OPTNEG)."""
    return encode(b"O", _NUMBERS.pack(VERSION, actions, steps))


def macros(command: bytes, values: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Give values before the command that they belong to (SMFIC_MACRO).

    Args:
        command: its letter.
        values: pairs of name and value; a name longer than a letter is in braces.
    """
    return _checked(b"D", command, *(each for pair in values for each in (_string(pair[0]), _string(pair[1]))))


def connect(name: bytes, host: IPv4Address | IPv6Address | None, port: int) -> bytes:
    """Tell of a client (SMFIC_CONNECT).

    Args:
        name: of its host; an address in brackets where it has none.
        host: its address; None for a unix socket.
        port: its port, 0 if that isn't known.
    """
    if host is None:
        return _checked(CONNECT, _string(name), b"U")  # unknown
    family = b"4" if host.version == 4 else b"6"
    return _checked(CONNECT, _string(name), family, _PORT.pack(port), _string(str(host).encode()))


def hello(name: bytes) -> bytes:
    """Tell of EHLO, HELO or LHLO (SMFIC_HELO)."""
    return _checked(HELLO, _string(name))


def mail(path: bytes, parameters: Iterable[bytes] = ()) -> bytes:
    """Tell of MAIL (SMFIC_MAIL); the path in angle brackets."""
    return _checked(MAIL, _string(path), *map(_string, parameters))


def recipient(path: bytes, parameters: Iterable[bytes] = ()) -> bytes:
    """Tell of RCPT (SMFIC_RCPT); the path in angle brackets."""
    return _checked(RECIPIENT, _string(path), *map(_string, parameters))


def data() -> bytes:
    """Tell of DATA (SMFIC_DATA)."""
    return encode(DATA)


def header(name: bytes, value: bytes) -> bytes:
    """Tell of a header field (SMFIC_HEADER); the lines of its value are parted by LF."""
    return _checked(HEADER, _string(name), _string(value))


def end_of_header() -> bytes:
    """Tell that no field follows (SMFIC_EOH)."""
    return encode(END_OF_HEADER)


def body(chunk: bytes) -> bytes:
    """Tell a piece of the body, up to `MAX_CHUNK` octets (SMFIC_BODY)."""
    return _checked(BODY, chunk)


def end_of_message() -> bytes:
    """Tell that the message is complete, and ask what to do with it (SMFIC_BODYEOB)."""
    return encode(END_OF_MESSAGE)


def unknown(line: bytes) -> bytes:
    """Tell of a command that the server doesn't know (SMFIC_UNKNOWN)."""
    return _checked(UNKNOWN, _string(line))


def _string(octets: bytes) -> bytes:
    """Return a string as the protocol has it; it can't hold a NUL."""
    return octets.replace(b"\0", b"") + b"\0"


def _checked(letter: bytes, *parts: bytes) -> bytes:
    size = sum(map(len, parts))
    if size > MAX_CHUNK:
        raise TooLarge(f"{size} octets")
    return encode(letter, *parts)
