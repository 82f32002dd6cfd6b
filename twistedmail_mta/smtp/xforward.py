"""XFORWARD, Postfix's extension by which a content filter is told of the client, and tells it on.

Its specification is Postfix's XFORWARD_README.  Values are xtext (RFC 3461
section 4); what could do harm in a header or a log is written as "?".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.errors import CommandError
from twistedmail_mta.smtp.xtext import decode_xtext

MAX_VALUE: Final = 255
MAX_LINE: Final = 510
"""Octets of a command that is sent, its end aside."""

BAD_FORWARD: Final = Reply(501, "5.5.4", "Syntax: XFORWARD attribute=value ...")

_UNAVAILABLE: Final = "[UNAVAILABLE]"
_IPV6: Final = "ipv6:"
_HARMFUL: Final = re.compile(r'[^!-~]|[<>()\\";@]')
_NEEDS_CODE: Final = re.compile("[+=]")


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What is told of the client that a message came from first; what is empty isn't known.

    Attributes:
        name: its host name.
        addr: its address, IPv4 or IPv6.
        port: its port.
        proto: the protocol by which the message came.
        helo: what it called itself.
        ident: by what the message is known where it came from first.
        source: "LOCAL" for what was submitted there, else "REMOTE".
    """

    name: str = ""
    addr: str = ""
    port: str = ""
    proto: str = ""
    helo: str = ""
    ident: str = ""
    source: str = ""


ATTRIBUTES: Final = tuple(field.name.upper() for field in fields(Forwarded))
"""As EHLO offers them."""


def parse_forward(argument: str, known: Forwarded | None) -> Forwarded:
    """Read the argument of XFORWARD.

    Args:
        argument: what follows the verb.
        known: what earlier ones of this transaction said.

    Raises:
        CommandError: it is none.
    """
    said: dict[str, str] = {}
    for word in argument.split():
        name, equals, value = word.partition("=")
        if not equals or name.upper() not in ATTRIBUTES or len(value) > MAX_VALUE:
            raise CommandError(BAD_FORWARD)
        said[name.lower()] = _value(value)
    if not said:
        raise CommandError(BAD_FORWARD)
    if said.get("addr", "").lower().startswith(_IPV6):
        said["addr"] = said["addr"][len(_IPV6) :]
    return replace(known or Forwarded(), **said)


def _value(text: str) -> str:
    """Return what a value stands for; old implementations send it as it is."""
    if text.upper() == _UNAVAILABLE:
        return ""
    with suppress(ValueError):
        text = decode_xtext(text)
    return _HARMFUL.sub("?", text)


def forward_commands(forwarded: Forwarded, offered: str) -> list[bytes]:
    """Return the commands that tell of a client, without their line ends; none if nothing can be told.

    Args:
        forwarded: what is known.
        offered: the attributes that the host's EHLO names.
    """
    lines: list[bytes] = []
    for word in _words(forwarded, frozenset(offered.upper().split())):
        if lines and len(lines[-1]) + len(word) < MAX_LINE:
            lines[-1] += b" " + word
        else:
            lines.append(b"XFORWARD " + word)
    return lines


def _words(forwarded: Forwarded, offered: frozenset[str]) -> Iterator[bytes]:
    for name in ATTRIBUTES:
        value = getattr(forwarded, name.lower())
        if value and name in offered:
            yield f"{name}={_coded('IPv6:' + value if name == 'ADDR' and ':' in value else value)}".encode()


def _coded(value: str) -> str:
    """Return a value as it is sent; what is too long is cut, but not within a code."""
    coded = _NEEDS_CODE.sub(lambda char: f"+{ord(char[0]):02X}", _HARMFUL.sub("?", value))
    if len(coded) <= MAX_VALUE:
        return coded
    cut = coded[:MAX_VALUE]
    return cut[: cut.rindex("+")] if "+" in cut[-2:] else cut
