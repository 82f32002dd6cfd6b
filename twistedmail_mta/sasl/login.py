"""The server's side of LOGIN: no standard, but what many clients still speak."""

from __future__ import annotations

from typing import Final, Generic

from twistedmail_mta.sasl.steps import A, Challenge, Success, Verifier, decode_text

ASK_NAME: Final = Challenge(b"Username:")
ASK_PASSWORD: Final = Challenge(b"Password:")


class Login(Generic[A]):
    """Asks for the name, then for the password.

    Clients compare the prompts with these very texts.  The server speaks first,
    yet some clients send the name as initial response; an empty one is taken
    for none.
    """

    __slots__ = ("_asked", "_name", "_verifier")

    def __init__(self, verifier: Verifier[A]) -> None:
        self._verifier = verifier
        self._asked = False
        self._name: str | None = None

    async def step(self, response: bytes | None) -> Challenge | Success[A]:
        """Take the name, then the password, and judge them."""
        if not response and not self._asked:
            self._asked = True
            return ASK_NAME
        text = decode_text(response or b"")
        if self._name is None:
            self._name = text
            return ASK_PASSWORD
        return Success(await self._verifier.password(self._name, "", text.encode()))
