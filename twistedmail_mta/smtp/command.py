"""Reads command lines (RFC 5321 section 4.1.1)."""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.sasl.base64 import decode_base64
from twistedmail_mta.smtp.address import parse_forward_path, parse_reverse_path
from twistedmail_mta.smtp.errors import AddressError, CommandError
from twistedmail_mta.smtp.events import Auth, Chunk, Mail, Rcpt
from twistedmail_mta.smtp.parameters import parse_mail_parameters, parse_rcpt_parameters

# RFC 5321 section 4.5.3.1.4 and what the extensions add to it; with some room.
MAX_COMMAND: Final = 2048
# RFC 4954 section 4; the responses of the client too.
MAX_AUTH_LINE: Final = 12288

BAD_CHARACTERS: Final = Reply(501, "5.5.2", "Command holds control characters or is not UTF-8")
NEEDS_NAME: Final = Reply(501, "5.5.4", "Syntax: EHLO your.host.name")
NEEDS_FROM: Final = Reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
NEEDS_TO: Final = Reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
NEEDS_SIZE: Final = Reply(501, "5.5.4", "Syntax: BDAT size [LAST]; closing the connection")
NEEDS_MECHANISM: Final = Reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
NEEDS_SMTPUTF8: Final = Reply(553, "5.6.7", "Address needs SMTPUTF8: add it to MAIL FROM:<address>")
LOGIN_CANCELLED: Final = Reply(501, "5.7.0", "Authentication cancelled")
BAD_BASE64: Final = Reply(501, "5.5.2", "Bad base64: account and password are sent encoded, not as they are")

# What a telnet client says before a person types: options, subnegotiations, commands (RFC 854, RFC 855).
_TELNET = re.compile(rb"(?:\xff(?:[\xfb-\xfe].|\xfa[^\xff]*\xff\xf0|[\xf1-\xf9]))+", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CHUNK = re.compile(r"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE | re.ASCII)


def skip_telnet(line: bytes) -> bytes:
    """Return the first line of a session without telnet's own octets before it."""
    found = _TELNET.match(line)
    return line[found.end() :] if found else line


def split_command(line: bytes) -> tuple[bytes, bytes]:
    """Return the verb in capitals, and the argument."""
    verb, _, argument = line.partition(b" ")
    return verb.upper(), argument.strip(b" ")


def decode_argument(argument: bytes) -> str:
    """Return an argument as text.

    Raises:
        CommandError: it isn't UTF-8, or holds controls.
    """
    try:
        text = argument.decode()
    except UnicodeDecodeError:
        raise CommandError(BAD_CHARACTERS) from None
    if _CONTROLS.search(text):
        raise CommandError(BAD_CHARACTERS)
    return text


def parse_hello(argument: str) -> str:
    """Return the name a client gives itself; whatever it is, for many don't know their own.

    Raises:
        CommandError: there is none, or an endless one.
    """
    name = argument.partition(" ")[0]
    if not 0 < len(name) <= 255:
        raise CommandError(NEEDS_NAME)
    return name


def parse_mail(argument: str) -> Mail:
    """Read the argument of MAIL.

    Raises:
        CommandError: it is wrong.
    """
    if argument[:5].upper() != "FROM:":
        raise CommandError(NEEDS_FROM)
    try:
        address, rest = parse_reverse_path(argument[5:])
    except AddressError as error:
        raise CommandError(Reply(error.code, "5.1.7", str(error))) from None
    parameters = parse_mail_parameters(rest)
    if not parameters.smtputf8:
        _demand_ascii(argument)
    return Mail(address, parameters)


def parse_rcpt(argument: str, *, smtputf8: bool) -> Rcpt:
    """Read the argument of RCPT.

    Args:
        argument: what follows the verb.
        smtputf8: MAIL asked for SMTPUTF8.

    Raises:
        CommandError: it is wrong.
    """
    if argument[:3].upper() != "TO:":
        raise CommandError(NEEDS_TO)
    try:
        address, rest = parse_forward_path(argument[3:])
    except AddressError as error:
        raise CommandError(Reply(error.code, "5.1.3", str(error))) from None
    parameters = parse_rcpt_parameters(rest, smtputf8=smtputf8)
    if not smtputf8:
        _demand_ascii(argument)
    return Rcpt(address, parameters)


def _demand_ascii(argument: str) -> None:
    """Refuse what MAIL didn't ask leave for (RFC 6531 section 3.5)."""
    if not argument.isascii():
        raise CommandError(NEEDS_SMTPUTF8)


def parse_chunk(argument: str) -> Chunk:
    """Read the argument of BDAT.

    Raises:
        CommandError: it is wrong, and so nobody knows how many octets follow.
    """
    found = _CHUNK.fullmatch(argument)
    if found is None:
        raise CommandError(NEEDS_SIZE)
    return Chunk(int(found[1]), last=found[2] is not None)


def parse_auth(argument: str) -> Auth:
    """Read the argument of AUTH (RFC 4954 section 4).

    Raises:
        CommandError: it is wrong.
    """
    words = argument.split()
    if not 1 <= len(words) <= 2:
        raise CommandError(NEEDS_MECHANISM)
    initial = None if len(words) == 1 else b"" if words[1] == "=" else _decode(words[1].encode())
    return Auth(words[0].upper(), initial)


def parse_response(line: bytes) -> bytes:
    """Return what the client answers to a challenge.

    Raises:
        CommandError: it cancels the exchange, or isn't base64.
    """
    if line == b"*":
        raise CommandError(LOGIN_CANCELLED)
    return _decode(line)


def _decode(text: bytes) -> bytes:
    octets = decode_base64(text)
    if octets is None:
        raise CommandError(BAD_BASE64)
    return octets
