"""Status responses: what became of a command, and what is said without one (RFC 9051 section 7.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

UNTAGGED: Final = b"*"


class Condition(Enum):
    """How a status response begins."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"
    BYE = b"BYE"


@dataclass(frozen=True, slots=True)
class Response:
    """A status response.

    Attributes:
        condition: how it went.
        text: for people, in English, printable ASCII.
        code: a response code without its brackets, such as `b"TRYCREATE"`; empty for none.
    """

    condition: Condition
    text: str
    code: bytes = b""


_UNPRINTABLE: Final = re.compile(r"[^ -~]")


def ok(text: str, code: bytes = b"") -> Response:
    """Return that it went well."""
    return Response(Condition.OK, text, code)


def no(text: str, code: bytes = b"") -> Response:
    """Return that it didn't go well."""
    return Response(Condition.NO, text, code)


def bad(text: str, code: bytes = b"") -> Response:
    """Return that the command made no sense."""
    return Response(Condition.BAD, text, code)


def bye(text: str, code: bytes = b"") -> Response:
    """Return that the connection ends."""
    return Response(Condition.BYE, text, code)


def encode(tag: bytes, response: Response) -> bytes:
    """Return a response as its line.

    Args:
        tag: the command's; `UNTAGGED` where it answers none.
        response: what is said.
    """
    text = _UNPRINTABLE.sub("?", response.text).encode()
    if response.code:
        text = b"[%b] %b" % (response.code, text)
    return b"%b %b %b\r\n" % (tag, response.condition.value, text)


def untagged(response: Response) -> bytes:
    """Return a response that answers no command, as its line."""
    return encode(UNTAGGED, response)
