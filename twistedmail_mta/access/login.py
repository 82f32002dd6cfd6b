"""One login of a session, with a name and a password or by SASL, up to whoever it is."""

from __future__ import annotations

import base64
from typing import Generic, TypeVar

from zope.interface import Interface

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IAuthenticator
from twistedmail_mta.sasl.server import start
from twistedmail_mta.sasl.steps import Challenge, Refused

A = TypeVar("A")


class Login(Generic[A]):
    """Asks the authenticator on behalf of one client."""

    __slots__ = ("_authenticator", "_avatar", "_connection", "_protocol")

    def __init__(
        self, connection: Connection, authenticator: IAuthenticator, protocol: str, avatar: type[Interface]
    ) -> None:
        """Make logins of one connection.

        Args:
            connection: the client's.
            authenticator: judges.
            protocol: "pop3" or "imap".
            avatar: the interface that whoever logs in is seen by; `A` provides it.
        """
        self._connection = connection
        self._authenticator = authenticator
        self._protocol = protocol
        self._avatar = avatar

    async def password(self, authcid: str, authzid: str, password: bytes) -> A:
        """Judge a name and password that this client gave.

        Raises:
            MailError: the login is refused.
        """
        client = self._connection
        avatar: A = await self._authenticator.password(
            authcid, authzid, password, client.host, self._protocol, client.encrypted, client.session, self._avatar
        )
        return avatar


class Exchange(Generic[A]):
    """Carries the steps of one SASL mechanism between the client and a login."""

    __slots__ = ("_exchange",)

    def __init__(self, mechanism: str, login: Login[A]) -> None:
        """Begin an exchange.

        Raises:
            MailError: there is no such mechanism.
        """
        self._exchange = start(mechanism, login)

    async def step(self, response: bytes | None) -> bytes | A:
        """Take the client's response; return the next challenge in base64, or who has logged in.

        Raises:
            MailError: the login is refused.
        """
        step = await self._exchange.step(response)
        if isinstance(step, Challenge):
            return base64.b64encode(step.data)
        if isinstance(step, Refused):
            raise MailError(step.reply)
        return step.avatar
