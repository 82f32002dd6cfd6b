"""What a POP3 server session tells its driver, one value at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twistedmail_mta.model import DropMessage
from twistedmail_mta.pop3.response import Response


@dataclass(frozen=True, slots=True)
class Login:
    """USER and PASS.  Needs a response; `ServerSession.enter` goes before one that accepts.

    Attributes:
        name: as it was given.
        password: in UTF-8.
    """

    name: str
    password: bytes


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH (RFC 5034 section 4).  Needs a challenge, or a response as `Login` does.

    Attributes:
        mechanism: in capitals, one of those offered.
        initial: the initial response, decoded; None when there was none.
    """

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The answer to a challenge, decoded.  Needs what `Auth` needs."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AuthCancelled:
    """The exchange is over: cancelled by the client, or unreadable.  Answered already; needs no response."""


@dataclass(frozen=True, slots=True)
class StartTLS:
    """STLS.  Needs a response, after which TLS starts if it accepts.

    The driver writes what is queued, starts TLS and calls `ServerSession.starttls_done`.
    """


@dataclass(frozen=True, slots=True)
class Listing:
    """The first line of a long answer is said; the driver sends the rest, a block at a time.

    Attributes:
        blocks: the lines, the last block with the end of the answer.
    """

    blocks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Retrieve:
    """RETR or TOP.  Needs a response; after one that accepts, the message as blocks.

    Attributes:
        message: which.
        number: its number in this session.
        lines: of the body, for TOP; None for the whole message.
    """

    message: DropMessage
    number: int
    lines: int | None


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT.  Needs a response; whatever it is, the session closes.

    Attributes:
        deleted: UIDs of what is to be removed now (RFC 1939 section 6).
    """

    deleted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """The session answered by itself.  Needs no response.

    It is told so that the driver can count, slow down and let others go first
    between any two commands.
    """

    response: Response


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The client said what was foreseen, and has its answer.  Needs no response.

    Attributes:
        number: of the message it got.
    """

    number: int


Event = Login | Auth | AuthResponse | AuthCancelled | StartTLS | Listing | Retrieve | Quit | Answered | Foreseen
