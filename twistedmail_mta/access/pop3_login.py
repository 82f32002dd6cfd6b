"""One login of a POP3 session, by USER and PASS or by AUTH (RFC 5034), up to whoever it is."""

from __future__ import annotations

import base64

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IAuthenticator, IMaildropAccess
from twistedmail_mta.sasl.server import start
from twistedmail_mta.sasl.steps import Challenge, Refused


class Login:
    """Asks the authenticator on behalf of one client."""

    def __init__(self, connection: Connection, authenticator: IAuthenticator) -> None:
        self._connection = connection
        self._authenticator = authenticator

    async def password(self, authcid: str, authzid: str, password: bytes) -> IMaildropAccess:
        """Judge a name and password that this client gave.

        Raises:
            MailError: the login is refused.
        """
        client = self._connection
        avatar: IMaildropAccess = await self._authenticator.password(
            authcid, authzid, password, client.host, "pop3", client.encrypted, client.session, IMaildropAccess
        )
        return avatar


class Exchange:
    """Carries the steps of one SASL mechanism between the client and a login."""

    def __init__(self, mechanism: str, login: Login) -> None:
        """Begin an exchange.

        Raises:
            MailError: there is no such mechanism.
        """
        self._exchange = start(mechanism, login)

    async def step(self, response: bytes | None) -> bytes | IMaildropAccess:
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
