"""What a server session tells its driver, one value at a time."""

from __future__ import annotations

from dataclasses import dataclass

from twistedmail_mta.model import Address, Reply
from twistedmail_mta.smtp.parameters import MailParameters, RcptParameters
from twistedmail_mta.smtp.xforward import Forwarded


@dataclass(frozen=True, slots=True)
class Hello:
    """HELO, or EHLO when `extended`.  Needs a reply; ends any transaction (RFC 5321 section 4.1.4).

    The session writes our name before the text of an accepting reply, and
    behind it what it offers.  `name` is what the client wrote: without spaces
    and controls, but otherwise anything, UTF-8 included.
    """

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL.  Needs a reply; one that accepts begins a transaction.

    Attributes:
        address: the reverse-path.
        parameters: what else it said.
        forwarded: whom the message came from first, as XFORWARD said before it; None without one.
    """

    address: Address
    parameters: MailParameters
    forwarded: Forwarded | None = None


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT.  Needs a reply."""

    address: Address
    parameters: RcptParameters


@dataclass(frozen=True, slots=True)
class Data:
    """DATA.  Needs a reply: 354, and then comes the body; after a refusal the transaction stands."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """BDAT (RFC 3030 section 2).  Needs no reply; the octets follow, and `BodyEnd`.

    Attributes:
        size: the octets announced.
        last: no chunk follows this one.
    """

    size: int
    last: bool


@dataclass(frozen=True, slots=True)
class BodyBlock:
    """The next octets of the message, without dot-stuffing, their line ends CRLF.  Needs no reply."""

    data: bytes


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The body, or a chunk of it, has arrived.  Needs a reply.

    The transaction has ended once it is answered, unless the driver accepts
    a chunk that isn't the last.

    Attributes:
        fault: the refusal to give, when the message can't be taken as it is;
            then the blocks were not all of it.
        last: the message is complete.
    """

    fault: Reply | None
    last: bool


@dataclass(frozen=True, slots=True)
class StartTLS:
    """STARTTLS.  Needs a reply: 220, after which TLS starts unless the session is closing.

    The driver writes what is queued, starts TLS, drops its transaction and
    calls `ServerSession.starttls_done`.
    """


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH.  Needs a reply: 235, a challenge (334), or a refusal.

    Attributes:
        mechanism: in capitals, one of those offered.
        initial: the initial response, decoded; None when there was none.
    """

    mechanism: str
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The answer to a challenge, decoded.  Needs a reply, as `Auth` does."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AuthCancelled:
    """The exchange is over: cancelled by the client, or unreadable.  Answered already; needs no reply."""


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET: the transaction, if any, is over.  Answered already; needs no reply."""


@dataclass(frozen=True, slots=True)
class Verify:
    """VRFY.  Needs a reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT.  Needs a reply, 221; whatever it is, the session closes."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The session answered by itself: NOOP, HELP, bad syntax, bad order.  Needs no reply.

    It is told so that the driver can count, slow down and log between any two commands.
    """

    reply: Reply


Event = (
    Hello
    | Mail
    | Rcpt
    | Data
    | Chunk
    | BodyBlock
    | BodyEnd
    | StartTLS
    | Auth
    | AuthResponse
    | AuthCancelled
    | Reset
    | Verify
    | Quit
    | Answered
)
