"""How a POP3 client gets at its maildrop: logins, who else is in, and the snapshot (RFC 1939 section 4)."""

from __future__ import annotations

from collections.abc import Callable

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.access.login import Exchange, Login
from twistedmail_mta.access.pop3_listener import POP3Listener
from twistedmail_mta.access.terms import Ending
from twistedmail_mta.access.visits import Visit
from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IMaildrop, IMaildropAccess
from twistedmail_mta.pop3 import answers, events
from twistedmail_mta.pop3.response import Response, refusal
from twistedmail_mta.pop3.server import ServerSession


class Entrance:
    """The AUTHORIZATION state of one session, as far as it isn't syntax.

    Attributes:
        account: who has logged in; empty before.
        drop: the snapshot; None before.
    """

    def __init__(self, listener: POP3Listener, connection: Connection, session: ServerSession) -> None:
        self.account = ""
        self.drop: IMaildrop | None = None
        self._listener = listener
        self._connection = connection
        self._session = session
        self._login: Login[IMaildropAccess] = Login(connection, listener.authenticator, "pop3", IMaildropAccess)
        self._exchange: Exchange[IMaildropAccess] | None = None
        self._failed_logins = 0
        self._visit: Visit | None = None
        self._unwatch: Callable[[], None] | None = None

    async def log_in(self, event: events.Login) -> None:
        """Answer USER and PASS.

        Raises:
            MailError: the maildrop can't be opened now.
        """
        try:
            avatar = await self._login.password(event.name, "", event.password)
        except MailError as error:
            self._refuse(error)
        else:
            await self._enter(avatar)

    async def begin(self, event: events.Auth) -> None:
        """Answer AUTH; errors as `log_in`."""
        self._exchange = Exchange(event.mechanism, self._login)
        await self._step(event.initial)

    async def go_on(self, event: events.AuthResponse) -> None:
        """Answer what the client says to a challenge; errors as `log_in`."""
        await self._step(event.data)

    async def _step(self, response: bytes | None) -> None:
        exchange = self._exchange
        if exchange is None:
            raise RuntimeError("the session gave a response without an exchange")
        try:
            outcome = await exchange.step(response)
        except MailError as error:
            self._refuse(error)
        else:
            if isinstance(outcome, bytes):
                self._session.send_challenge(outcome)
            else:
                await self._enter(outcome)

    def _refuse(self, error: MailError) -> None:
        """Say no; whoever goes on guessing does it in another session."""
        self._failed_logins += 1
        last = self._failed_logins >= self._listener.failed_logins
        wrong = answers.TOO_MANY_LOGINS if last and error.reply.is_permanent else refusal(error.reply)
        self._session.send_response(wrong, last=last)

    async def _enter(self, avatar: IMaildropAccess) -> None:
        """Open the maildrop: the TRANSACTION state."""
        denied = self._visit_of(avatar)
        if denied is not None:
            self._session.send_response(denied)
            return
        self.account = avatar.account
        self._unwatch = self._listener.logins.watch(avatar, lambda: self._connection.end(Ending.LOGIN_ENDED))
        try:
            drop = await avatar.open()
        except BaseException:
            self.leave()
            raise
        self.drop = drop
        self._session.send_response(self._session.enter(drop.messages, drop.sizes, drop.uidls))

    def _visit_of(self, avatar: IMaildropAccess) -> Response | None:
        listener, connection = self._listener, self._connection
        visit = Visit(
            avatar.account_id,
            listener.rules.exclusive,
            lambda: connection.progress,
            lambda: connection.end(Ending.TAKEN_OVER),
        )
        denied = listener.visits.enter(visit, listener.rules)
        if denied is None:
            self._visit = visit
        return denied

    def leave(self) -> None:
        """Make room for others, and forget the snapshot."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._visit is not None:
            self._listener.visits.leave(self._visit)
            self._visit = None
        if self.drop is not None:
            self.drop.close()
