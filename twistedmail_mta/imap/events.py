"""What an IMAP server session tells its driver, one value at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

from twistedmail_mta.imap.append import Message
from twistedmail_mta.imap.command import Command


@dataclass(frozen=True, slots=True)
class Do:
    """A command that fits the session's state.  Needs `ServerSession.complete`."""

    command: Command


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The answer to a challenge, decoded.  Needs `ServerSession.complete`, or another challenge."""

    tag: bytes
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdleEnds:
    """The client said DONE (RFC 9051 section 6.3.13).  Needs `ServerSession.complete`."""

    tag: bytes


@dataclass(frozen=True, slots=True)
class AppendBegins:
    """APPEND, and its first message is to come.  Needs `accept_message` or `refuse_message`."""

    tag: bytes
    mailbox: str
    message: Message


@dataclass(frozen=True, slots=True)
class MessageBegins:
    """One more message is to come (RFC 3502).  Needs what `AppendBegins` needs."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageOctets:
    """The next octets of the message."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class MessageEnds:
    """All octets of the message have been told."""


@dataclass(frozen=True, slots=True)
class AppendEnds:
    """The command is complete.  Needs `ServerSession.complete`."""

    tag: bytes


@dataclass(frozen=True, slots=True)
class AppendFails:
    """What was taken of the messages is to be forgotten; the session has answered."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The session has answered by itself, or waits for more of the client."""


Event = (
    Do
    | AuthResponse
    | IdleEnds
    | AppendBegins
    | MessageBegins
    | MessageOctets
    | MessageEnds
    | AppendEnds
    | AppendFails
    | Answered
)
