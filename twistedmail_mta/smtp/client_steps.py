"""What an SMTP client waits for, and what its driver is told to do next."""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

from twistedmail_mta.model import Reply

Phase = Literal["greeting", "ehlo", "mail", "rcpt", "data", "block", "final"]
"""The waits of RFC 5321 section 4.5.3.2, each with its own time limit."""


class Awaited(Enum):
    """The replies that a client waits for, as a reader of a log would name them."""

    GREETING = "the greeting"
    EHLO = "the answer to EHLO"
    HELO = "the answer to HELO"
    LHLO = "the answer to LHLO"
    STARTTLS = "the answer to STARTTLS"
    AUTH = "the answer to AUTH"
    RSET = "the answer to RSET"
    XFORWARD = "the answer to XFORWARD"
    MAIL = "the answer to MAIL"
    RCPT = "the answer to RCPT"
    DATA = "the answer to DATA"
    CHUNK = "the answer to a part of the message"
    FINAL = "the answer to the end of the message"
    EMPTY = "the answer to the end of an empty message"
    QUIT = "the answer to QUIT"


PHASES: Final[dict[Awaited, Phase]] = {
    Awaited.GREETING: "greeting",
    Awaited.EHLO: "ehlo",
    Awaited.HELO: "ehlo",
    Awaited.LHLO: "ehlo",
    Awaited.STARTTLS: "ehlo",
    Awaited.AUTH: "ehlo",
    Awaited.RSET: "mail",
    Awaited.XFORWARD: "mail",
    Awaited.MAIL: "mail",
    Awaited.RCPT: "rcpt",
    Awaited.DATA: "data",
    Awaited.CHUNK: "final",
    Awaited.FINAL: "final",
    Awaited.EMPTY: "final",
    Awaited.QUIT: "mail",
}

Command = tuple[Awaited, bytes]
"""A line to send, without its end, and the reply it asks for."""


class Event(Enum):
    """What the driver of a session does next."""

    START_TLS = "begin TLS on the transport, then call `tls_started`"
    READY = "the session is open: call `begin` or `quit`"
    SEND_BODY = "give the message to `send_body` block by block, then call `end_body`"
    FINISHED = "the transaction is over: read `outcomes`"
    CLOSED = "close the connection; `failure` says why, unless it was asked for"


OUT_OF_STEP: Final = Reply(451, "4.5.0", "The host sent an answer that fits no question")


GOODBYE: Final = 221


def fits(awaited: Awaited, reply: Reply) -> bool:
    """Return whether a reply can answer a question: 354 belongs to DATA, which goes on with it alone, 221 to QUIT."""
    if reply.code == GOODBYE:
        return False
    if awaited is Awaited.DATA:
        return reply.code == 354 or reply.code >= 400
    return not 300 <= reply.code < 400


def host_refusal(awaited: Awaited, reply: Reply) -> Reply:
    """Return a temporary reply that quotes a host's refusal to talk to us at all.

    Whatever its class, it is no judgement on a recipient.
    """
    status = "4" + reply.status[1:] if reply.status else "4.3.2"
    return Reply(451, status, f"The host refused us, {awaited.value} was: {reply}")
