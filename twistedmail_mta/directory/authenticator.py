"""The way into `twisted.cred` for every protocol: one question, one answer or one refusal."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface, implementer

from twistedmail_mta.directory.accounts import MAX_NAME
from twistedmail_mta.directory.credentials import LoginRefused, PeerPassword
from twistedmail_mta.directory.replies import BAD_CREDENTIALS, CANNOT_JUDGE
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.errors import PermanentError, TemporaryError
from twistedmail_mta.interfaces import IAuthenticator, ISubmitter
from twistedmail_mta.tasks import promise_of, sleep

MAX_DELAYED: Final = 500
"""Failures whose answers may wait at once; past that they are answered without delay."""


@implementer(IAuthenticator)
class Authenticator:
    """Logs people in through a portal, tells the log, and makes failures wait.

    Whatever the reason, a client that fails gets the same reply after the same
    time, counted from the question: how long anybody took to judge it isn't to
    be heard.  The log knows why.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, portal: Portal, throttle: LoginThrottle, clock: IReactorTime) -> None:
        self._portal = portal
        self._throttle = throttle
        self._clock = clock
        self._delayed = 0

    async def password(  # noqa: PLR0913, PLR0917 - the interface's
        self,
        authcid: str,
        authzid: str,
        password: bytes,
        peer: str,
        protocol: str,
        tls: bool,
        session: str = "",
        avatar: type[Interface] = ISubmitter,
    ) -> Any:  # noqa: ANN401 - of the interface that `avatar` names
        """Check a name and password, as the interface says."""
        login = PeerPassword(authcid, authzid, password, peer, protocol, tls, session)
        asked_at = self._clock.seconds()
        try:
            granted = await self._log_in(login, avatar)
        except UnauthorizedLogin as refusal:
            await self._refuse(login, refusal, asked_at)
            raise PermanentError(BAD_CREDENTIALS) from None
        except TemporaryError as error:
            raise TemporaryError(error.reply if error.reply.code == CANNOT_JUDGE.code else CANNOT_JUDGE) from None
        self._throttle.know(peer, granted.account)
        self.log.info(
            "{account} logged in from {peer}, session {session}",
            event="auth.ok",
            session=session,
            account=granted.account,
            peer=peer,
            protocol=protocol,
            tls=tls,
        )
        return granted

    async def _log_in(self, login: PeerPassword, wanted: type[Interface]) -> Any:  # noqa: ANN401 - likewise
        _, avatar, _ = await promise_of(self._portal.login(login, None, wanted))
        return avatar

    async def _refuse(self, login: PeerPassword, refusal: UnauthorizedLogin, asked_at: float) -> None:
        """Log a failure, and wait as long as it deserves; a client that leaves ends the wait."""
        reason, name = (refusal.reason, refusal.name) if isinstance(refusal, LoginRefused) else ("refused", None)
        self.log.info(
            "login of {account!r} from {peer} failed: {reason}, session {session}",
            event="auth.failed",
            session=login.session,
            account=name or login.authcid[:MAX_NAME],
            peer=login.peer,
            protocol=login.protocol,
            tls=login.tls,
            reason=reason,
        )
        if self._delayed >= MAX_DELAYED:
            return
        self._delayed += 1
        try:
            passed = self._clock.seconds() - asked_at
            await sleep(self._clock, self._throttle.delay(login.peer, name, passed))
        finally:
            self._delayed -= 1
