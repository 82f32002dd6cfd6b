"""Reads command lines (RFC 1939 section 3, RFC 2449 section 4)."""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.pop3 import answers
from twistedmail_mta.pop3.events import Auth
from twistedmail_mta.pop3.response import Response
from twistedmail_mta.sasl.base64 import decode_base64

MAX_COMMAND: Final = 2048
"""Octets of a command line: 255 by RFC 2449 section 4, with room for long passwords."""
MAX_AUTH_LINE: Final = 12288
"""Octets of a line of a SASL exchange, as SMTP has it (RFC 4954 section 4)."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)


class CommandError(Exception):
    """A command that is wrong.

    Attributes:
        response: what the client is told.
    """

    def __init__(self, response: Response) -> None:
        super().__init__(response.text)
        self.response = response


def split_command(line: bytes) -> tuple[bytes, bytes]:
    """Return the verb in capitals, and the argument as it stands after one space: a password may hold more."""
    verb, _, argument = line.partition(b" ")
    return verb.upper(), argument


def decode_argument(argument: bytes) -> str:
    """Return an argument as text.

    Raises:
        CommandError: it isn't UTF-8, or holds controls (RFC 6856 section 2.2).
    """
    try:
        text = argument.decode()
    except UnicodeDecodeError:
        raise CommandError(answers.BAD_CHARACTERS) from None
    if _CONTROLS.search(text):
        raise CommandError(answers.BAD_CHARACTERS)
    return text


def parse_numbers(argument: str, usage: Response, *, count: int = 1) -> list[int]:
    """Read `count` numbers.

    Raises:
        CommandError: there are more or fewer, or it is something else.
    """
    words = argument.split()
    if len(words) != count or not all(_NUMBER.fullmatch(word) for word in words):
        raise CommandError(usage)
    return [int(word) for word in words]


def parse_auth(argument: str) -> Auth:
    """Read the argument of AUTH (RFC 5034 section 4).

    Raises:
        CommandError: it is wrong.
    """
    words = argument.split()
    if not 1 <= len(words) <= 2:
        raise CommandError(answers.NEEDS_MECHANISM)
    initial = None if len(words) == 1 else b"" if words[1] == "=" else _decode(words[1].encode())
    return Auth(words[0].upper(), initial)


def parse_response(line: bytes) -> bytes:
    """Return what the client answers to a challenge.

    Raises:
        CommandError: it cancels the exchange, or isn't base64.
    """
    if line == b"*":
        raise CommandError(answers.LOGIN_CANCELLED)
    return _decode(line)


def _decode(text: bytes) -> bytes:
    octets = decode_base64(text)
    if octets is None:
        raise CommandError(answers.BAD_BASE64)
    return octets
