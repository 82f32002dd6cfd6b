"""Everything a POP3 server says, in English; the languages have these texts as keys."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.pop3.response import Response


def _ok(text: str) -> Response:
    return Response(ok=True, text=text)


def _no(text: str, code: str = "") -> Response:
    return Response(ok=False, text=text, code=code)


# Done

DONE: Final = _ok("Done")
NAME_TAKEN: Final = _ok("Now send PASS and the password")
GOODBYE: Final = _ok("Goodbye")
BEGIN_TLS: Final = _ok("Begin TLS now")
CAPABILITIES: Final = _ok("What this server can do:")
MECHANISMS: Final = _ok("Ways to log in:")
UTF8_ON: Final = _ok("UTF-8 it is")
LANGUAGES: Final = _ok("Languages:")
LANGUAGE_CHOSEN: Final = _ok("English it is")


def greeting(hostname: str) -> Response:
    """Return what is said first; without a time stamp, for there is no APOP (RFC 1939 section 7)."""
    return Response(ok=True, text="{} POP3 server ready", values=(hostname,))


def totals(count: int, octets: int) -> Response:
    """Return the answer to STAT (RFC 1939 section 5)."""
    return Response(ok=True, text="{} {}", values=(count, octets))


def logged_in(count: int, octets: int) -> Response:
    """Return the answer to a login."""
    return Response(ok=True, text="Logged in: {} messages, {} octets", values=(count, octets))


def listing(count: int, octets: int) -> Response:
    """Return the first line of the answer to LIST or UIDL."""
    return Response(ok=True, text="{} messages, {} octets", values=(count, octets))


def entry(number: int, about: int | str) -> Response:
    """Return the answer to LIST or UIDL of one message."""
    return Response(ok=True, text="{} {}", values=(number, about))


def follows(octets: int) -> Response:
    """Return the first line of the answer to RETR."""
    return Response(ok=True, text="{} octets", values=(octets,))


TOP_FOLLOWS: Final = _ok("Top of the message follows")


def deleted(number: int) -> Response:
    """Return the answer to DELE."""
    return Response(ok=True, text="Message {} will be deleted at QUIT", values=(number,))


# Refused by syntax, order or state

UNKNOWN_COMMAND: Final = _no("Unknown command; CAPA lists what this server can do")
EMPTY_LINE: Final = _no("Type a command; CAPA lists what this server can do")
LINE_TOO_LONG: Final = _no("Line too long")
BAD_CHARACTERS: Final = _no("Command holds control characters or is not UTF-8")
NO_ARGUMENT: Final = _no("Command takes no argument")
NEEDS_NUMBER: Final = _no("Command needs the number of a message, as LIST tells them")
NEEDS_NUMBER_AND_LINES: Final = _no("Syntax: TOP message-number lines")
NEEDS_NAME: Final = _no("Syntax: USER name")
NEEDS_PASSWORD: Final = _no("Syntax: PASS password")
NEEDS_MECHANISM: Final = _no("Syntax: AUTH mechanism [initial-response]")
LOG_IN_FIRST: Final = _no("Log in first: USER name, then PASS password")
LOGGED_IN_ALREADY: Final = _no("You are logged in already")
USER_FIRST: Final = _no("Send USER and the name just before PASS")
TLS_FIRST: Final = _no("Passwords are not taken in clear text here: send STLS first, or use the port for TLS")
NO_LOGIN: Final = _no("Passwords are not taken in clear text here, and this server has no TLS", "SYS/PERM")
NO_TLS: Final = _no("TLS is not available")
TLS_ACTIVE: Final = _no("TLS is active already")
UNKNOWN_MECHANISM: Final = _no("Unknown mechanism; CAPA lists those that may be used now")
BAD_BASE64: Final = _no("Bad base64: name and password are sent encoded, not as they are")
LOGIN_CANCELLED: Final = _no("Login cancelled")
NO_SUCH_MESSAGE: Final = _no("No such message")
DELETED_ALREADY: Final = _no("Message is marked as deleted; RSET takes the marks away")
HARMLESS: Final = frozenset((NO_SUCH_MESSAGE, DELETED_ALREADY))
"""Refusals that a sensible client may provoke."""
UNKNOWN_LANGUAGE: Final = _no("Language is not known here; LANG alone lists those that are")

# Refused by what is behind

TOO_MANY_SESSIONS: Final = _no("Too many sessions of this account", "IN-USE")
IN_USE: Final = _no("Maildrop is in use by another session", "IN-USE")
TOO_SOON: Final = _no("Logged in too recently, please wait", "LOGIN-DELAY")
GONE: Final = _no("Message was removed by another session meanwhile")
NOT_DELETED: Final = _no("Deleted messages could not be removed, please try again later", "SYS/TEMP")
TRY_LATER: Final = _no("Local error, please try again later", "SYS/TEMP")

# The end, whatever was asked

TOO_MANY_LOGINS: Final = _no("Too many failed logins: closing the connection", "AUTH")
TOO_MANY_ERRORS: Final = _no("Too many errors: closing the connection")
FLOODED: Final = _no("Too much input: closing the connection")
SHUTTING_DOWN: Final = _no("The server is shutting down: closing the connection", "SYS/TEMP")
TAKEN_OVER: Final = _no("Another session has taken the maildrop: closing the connection", "IN-USE")
LOGIN_ENDED: Final = _no("The login is no longer valid: closing the connection", "AUTH")
BROKEN: Final = _no("Local error: closing the connection", "SYS/TEMP")
