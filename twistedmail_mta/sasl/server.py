"""The server's side of a SASL exchange (RFC 4422), the same for SMTP, POP3 and IMAP.

The protocol decodes base64 and sees to cancelling (a lone `*`); everything
between the command and its final reply is one `ServerExchange`:

    exchange = start("PLAIN", verifier)
    step = await exchange.step(initial_response)
    while isinstance(step, Challenge):
        step = await exchange.step(await ask_client(step.data))
"""

from __future__ import annotations

from typing import Final, Generic

from twistedmail_mta.errors import MailError, PermanentError
from twistedmail_mta.sasl.login import Login
from twistedmail_mta.sasl.plain import Plain
from twistedmail_mta.sasl.steps import (
    RESPONSE_TOO_LONG,
    UNKNOWN_MECHANISM,
    A,
    Challenge,
    Mechanism,
    Refused,
    Success,
    Verifier,
)

MECHANISMS: Final = ("PLAIN", "LOGIN")
"""The names to offer, best first."""

MAX_RESPONSE: Final = 9216
"""Octets of a response: what a line of 12,288 holds in base64 (RFC 4954 section 4)."""


class ServerExchange(Generic[A]):
    """One exchange with one client, from the command to success or refusal."""

    __slots__ = ("_finished", "_mechanism")

    def __init__(self, mechanism: Mechanism[A]) -> None:
        self._mechanism = mechanism
        self._finished = False

    async def step(self, response: bytes | None) -> Challenge | Success[A] | Refused:
        """Take the client's next response and say what follows.

        A cancel (the client is gone) ends whatever is being checked.

        Args:
            response: decoded from base64.  In the first step None means that no
                initial response was given, and empty that `=` was.

        Raises:
            RuntimeError: the exchange is over already.
        """
        if self._finished:
            raise RuntimeError("the SASL exchange is over")
        step = await self._outcome(response)
        self._finished = not isinstance(step, Challenge)
        return step

    async def _outcome(self, response: bytes | None) -> Challenge | Success[A] | Refused:
        if response is not None and len(response) > MAX_RESPONSE:
            return Refused(RESPONSE_TOO_LONG)
        try:
            return await self._mechanism.step(response)
        except MailError as error:
            return Refused(error.reply)


def start(mechanism: str, verifier: Verifier[A]) -> ServerExchange[A]:
    """Begin an exchange.

    Args:
        mechanism: the name the client gave, in any case.
        verifier: judges its claims.

    Raises:
        PermanentError: 504 5.5.4, there is no such mechanism.
    """
    match mechanism.lower():
        case "plain":
            return ServerExchange(Plain(verifier))
        case "login":
            return ServerExchange(Login(verifier))
    raise PermanentError(UNKNOWN_MECHANISM)
