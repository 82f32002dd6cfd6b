"""A verifier that remembers what it was asked."""

from __future__ import annotations

import pytest

from twistedmail_mta.errors import PermanentError
from twistedmail_mta.model import Reply

WRONG = Reply(535, "5.7.8", "Wrong")


class Verifier:
    """Knows one login: tim with the password tanstaaftanstaaf."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []

    async def password(self, authcid: str, authzid: str, password: bytes) -> str:
        self.asked.append((authcid, authzid, password))
        if (authcid, password) != ("tim", b"tanstaaftanstaaf"):
            raise PermanentError(WRONG)
        return f"avatar of {authzid or authcid}"


@pytest.fixture
def verifier() -> Verifier:
    """Return a fresh verifier."""
    return Verifier()
