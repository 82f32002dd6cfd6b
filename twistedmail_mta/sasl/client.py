"""The client's side of SASL: what we answer where we log in (RFC 4422)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password for a next hop."""

    user: str
    password: str

    def __repr__(self) -> str:
        """Leave the password out: it must not reach a log."""
        return f"Credentials({self.user!r})"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One mechanism's answers, in the order of the server's challenges.

    Attributes:
        mechanism: its name as AUTH takes it.
        initial: the response sent with the AUTH command itself (RFC 4954
            section 4), or None.
        responses: the answers to the challenges that follow.
    """

    mechanism: str
    initial: bytes | None
    responses: tuple[bytes, ...]


def plain_exchange(login: Credentials) -> Exchange:
    """Return the single message of PLAIN (RFC 4616 section 2)."""
    return Exchange("PLAIN", f"\0{login.user}\0{login.password}".encode(), ())


def login_exchange(login: Credentials) -> Exchange:
    """Return the two answers of LOGIN: the name, then the password, whatever the prompts say."""
    return Exchange("LOGIN", None, (login.user.encode(), login.password.encode()))


_PREFERENCE: Final = (("PLAIN", plain_exchange), ("LOGIN", login_exchange))


def exchange_for(offered: Collection[str], credentials: Credentials) -> Exchange | None:
    """Return how to log in with the best mechanism that is offered and known here, or None.

    Args:
        offered: the names of the server's mechanisms, in upper case.
        credentials: who we are.
    """
    for name, begin in _PREFERENCE:
        if name in offered:
            return begin(credentials)
    return None
