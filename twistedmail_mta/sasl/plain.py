"""The server's side of PLAIN (RFC 4616)."""

from __future__ import annotations

from typing import Generic

from twistedmail_mta.errors import PermanentError
from twistedmail_mta.sasl.steps import MALFORMED, A, Challenge, Success, Verifier, decode_text


class Plain(Generic[A]):
    """Takes authorization identity, name and password in one message.

    Only the form is judged here: two NULs and UTF-8 (RFC 4616 section 2).  An
    empty name or password is well-formed enough to be refused like a wrong one.
    """

    __slots__ = ("_verifier",)

    def __init__(self, verifier: Verifier[A]) -> None:
        self._verifier = verifier

    async def step(self, response: bytes | None) -> Challenge | Success[A]:
        """Ask for the message with an empty challenge, or judge it."""
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0", 3)
        if len(parts) != 3:
            raise PermanentError(MALFORMED)
        authzid, authcid, password = (decode_text(part) for part in parts)
        return Success(await self._verifier.password(authcid, authzid, password.encode()))
