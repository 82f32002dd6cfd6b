"""What a SASL exchange is made of: its steps, its mechanisms, and who judges a claim."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from twistedmail_mta.errors import PermanentError
from twistedmail_mta.model import Reply

A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)

MALFORMED: Final = Reply(
    501, "5.5.2", "Cannot understand the authentication response; is each part of it encoded in base64?"
)
RESPONSE_TOO_LONG: Final = Reply(500, "5.5.6", "Authentication response is too long")
UNKNOWN_MECHANISM: Final = Reply(
    504, "5.5.4", "Unrecognized authentication mechanism; the answer to EHLO lists those offered"
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """Something to send to the client, not yet in base64; its response is the next step.

    A mechanism whose last message goes to the client (RFC 5802's
    server-final) sends that as a challenge too and takes the empty response,
    since neither SMTP nor POP3 nor IMAP can carry it with the success.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Success(Generic[A]):
    """The client is who it claims to be; the exchange is over."""

    avatar: A


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange failed and is over.

    Attributes:
        reply: what an SMTP client is told (RFC 4954 section 6); POP3 and IMAP
            make their response codes of its class and enhanced status.
    """

    reply: Reply


class Verifier(Protocol[A_co]):
    """Judges what one client claims; made for one connection, which it knows."""

    def password(self, authcid: str, authzid: str, password: bytes) -> Awaitable[A_co]:
        """Return the avatar of a login.

        Args:
            authcid: the name given.
            authzid: whom to act for; empty for oneself.
            password: in UTF-8.

        Raises:
            MailError: the login is refused; the client is told its reply.
        """


class Mechanism(Protocol[A]):
    """The server's side of one mechanism, for one exchange."""

    def step(self, response: bytes | None) -> Awaitable[Challenge | Success[A]]:
        """Take the client's response, None when it sent no initial one.

        Raises:
            MailError: the exchange is over; the client is told its reply.
        """


def decode_text(octets: bytes) -> str:
    """Return the text of a response; names and passwords are UTF-8 in every mechanism.

    Raises:
        PermanentError: 501 5.5.2, it isn't UTF-8 or holds a NUL.
    """
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise PermanentError(MALFORMED) from None
    if "\0" in text:
        raise PermanentError(MALFORMED)
    return text
