"""How an IMAP client gets in: LOGIN, AUTHENTICATE, and how many sessions an account may have (RFC 9051 section 6.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.replies import refusal
from twistedmail_mta.access.login import Exchange, Login
from twistedmail_mta.access.terms import Ending
from twistedmail_mta.errors import MailError
from twistedmail_mta.imap import login
from twistedmail_mta.imap.capability import Standing, capabilities
from twistedmail_mta.imap.response import Response, no, ok
from twistedmail_mta.interfaces import IMailAccess
from twistedmail_mta.mail.mailbox_names import INBOX
from twistedmail_mta.networks import is_in
from twistedmail_mta.sasl.server import MECHANISMS
from twistedmail_mta.sasl.steps import decode_text

TOO_MANY_SESSIONS: Final = no("Too many sessions of this account", b"LIMIT")
NEEDS_TLS: Final = no("Passwords are not taken in clear text here: send STARTTLS first", b"PRIVACYREQUIRED")


class Entrance:
    """The not authenticated state of one session, as far as it isn't syntax."""

    __slots__ = ("_context", "_exchange", "_failed", "_is_in", "_login", "_unwatch")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._login: Login[IMailAccess] = Login(context.connection, context.listener.authenticator, "imap", IMailAccess)
        self._exchange: Exchange[IMailAccess] | None = None
        self._failed = 0
        self._is_in = False
        self._unwatch: Callable[[], None] | None = None

    @property
    def may_log_in(self) -> bool:
        """Whether a password may be said now."""
        connection = self._context.connection
        return connection.encrypted or is_in(connection.host, self._context.listener.plaintext_login)

    @property
    def capabilities(self) -> bytes:
        """What we say we can, now."""
        listener, encrypted = self._context.listener, self._context.connection.encrypted
        return capabilities(
            Standing(
                logged_in=self._context.account != 0,
                tls_offered=listener.terms.tls is not None and not encrypted,
                mechanisms=MECHANISMS if self.may_log_in else (),
                append_limit=listener.message_size,
            )
        )

    async def log_in(self, action: login.Login) -> Response:
        """Answer LOGIN."""
        if not self.may_log_in:
            return NEEDS_TLS
        try:
            avatar = await self._login.password(decode_text(action.name), "", action.password)
        except MailError as error:
            return self._refuse(error)
        return await self._enter(avatar)

    async def authenticate(self, action: login.Authenticate) -> Response | None:
        """Answer AUTHENTICATE; None when a challenge was sent."""
        if action.mechanism not in MECHANISMS:
            return no("Unknown mechanism; CAPABILITY lists those that may be used", b"CANNOT")
        if not self.may_log_in:
            return NEEDS_TLS
        self._exchange = Exchange(action.mechanism, self._login)
        return await self.go_on(action.initial)

    async def go_on(self, octets: bytes | None) -> Response | None:
        """Take what the client says to a challenge; None when another was sent."""
        exchange = self._exchange
        if exchange is None:
            raise RuntimeError("the session gave a response without an exchange")
        try:
            outcome = await exchange.step(octets)
        except MailError as error:
            return self._refuse(error)
        if isinstance(outcome, bytes):
            self._context.session.challenge(outcome)
            return None
        return await self._enter(outcome)

    def _refuse(self, error: MailError) -> Response:
        self._exchange = None
        self._failed += 1
        return refusal(error.reply)

    @property
    def is_closed(self) -> bool:
        """Whether too many logins failed: whoever goes on guessing does it in another session."""
        return self._failed >= self._context.listener.failed_logins

    async def _enter(self, avatar: IMailAccess) -> Response:
        """Let somebody in; the first login makes the mailboxes that everybody has."""
        context = self._context
        listener, connection = context.listener, context.connection
        self._exchange = None
        try:
            await listener.store.make(avatar.account_id, INBOX)
        except MailError as error:
            return refusal(error.reply)  # as while the disk is full, and no failure of the client's
        if not listener.attendance.enter(avatar.account_id, listener.sessions_per_account):
            return TOO_MANY_SESSIONS
        self._is_in = True
        context.account, context.address = avatar.account_id, avatar.account
        context.session.log_in()
        connection.logged_in()
        self._unwatch = listener.logins.watch(avatar, lambda: connection.end(Ending.LOGIN_ENDED))
        return ok("Logged in", b"CAPABILITY " + self.capabilities)

    def leave(self) -> None:
        """Make room for others."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._is_in:
            self._is_in = False
            self._context.listener.attendance.leave(self._context.account)
