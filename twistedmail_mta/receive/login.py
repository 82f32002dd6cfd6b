"""One AUTH exchange of a session (RFC 4954), from the command to its last reply."""

from __future__ import annotations

import base64

from twistedmail_mta.interfaces import IAuthenticator, ISubmitter
from twistedmail_mta.model import Reply
from twistedmail_mta.receive.client import Client
from twistedmail_mta.sasl.server import start
from twistedmail_mta.sasl.steps import Challenge, Refused


class Login:
    """Carries the steps of one mechanism between the client and the authenticator.

    Attributes:
        mechanism: its name.
    """

    def __init__(self, mechanism: str, client: Client, authenticator: IAuthenticator) -> None:
        """Begin an exchange.

        Raises:
            PermanentError: there is no such mechanism.
        """
        self.mechanism = mechanism
        self._client = client
        self._authenticator = authenticator
        self._exchange = start(mechanism, self)

    async def step(self, response: bytes | None) -> Reply | ISubmitter:
        """Take the client's response; return the next reply, or who has logged in.

        A 334 reply means that another response is expected.
        """
        step = await self._exchange.step(response)
        if isinstance(step, Challenge):
            return Reply(334, "", base64.b64encode(step.data).decode("ascii"))
        return step.reply if isinstance(step, Refused) else step.avatar

    async def password(self, authcid: str, authzid: str, password: bytes) -> ISubmitter:
        """Judge a name and password that this client gave."""
        client = self._client
        submitter: ISubmitter = await self._authenticator.password(
            authcid, authzid, password, client.host, "smtp", client.encrypted, client.session
        )
        return submitter
