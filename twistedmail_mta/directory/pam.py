"""A checker that asks the system's PAM, on threads of its own.

Needs the extra `pam`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from pam import PamAuthenticator
from twisted.logger import Logger

from twistedmail_mta.config.checking import PAMTable
from twistedmail_mta.directory.checkers import REMEMBERED_FROM_OUTSIDE, IReactorLogins, Question
from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.room import Room
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.directory.trouble import Trouble
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import WorkerPool, within

BACKLOG: Final = 32
"""Questions that may wait for a thread."""
SUCCESS: Final = 0
USER_UNKNOWN: Final = 10
REFUSED: Final = frozenset({6, 7, 8, 11, 12, 13, 27})
"""Results that are about whoever logs in: PAM_PERM_DENIED, AUTH_ERR, CRED_INSUFFICIENT, MAXTRIES,
NEW_AUTHTOK_REQD, ACCT_EXPIRED and AUTHTOK_EXPIRED of Linux-PAM's pam_types."""


Authenticate = Callable[[str, str, str], tuple[int, str]]
"""Asks PAM about a user, a password and a service: authentication, then account management; returns the
result and what it means."""


class PAMChecker:
    """Asks PAM; it knows every name that PAM doesn't call unknown.

    Modules may take seconds, and some wait on purpose after a failure: only so
    many questions are asked at once, and what can't be asked is put off.  The
    threads end with the process, since a module that hangs couldn't be waited for.
    """

    log: ClassVar[Logger] = Logger()
    generation = 0
    remembered = REMEMBERED_FROM_OUTSIDE

    def __init__(
        self,
        reactor: IReactorLogins,
        table: PAMTable,
        throttle: LoginThrottle,
        authenticate: Authenticate | None = None,
    ) -> None:
        """Load libpam.

        Args:
            reactor: time, and threads' way back.
            table: which service, and what it is given as name.
            throttle: knows who logged in lately from where.
            authenticate: asks PAM in place of the system's.

        Raises:
            ValueError: this system has no libpam.
        """
        self._reactor = reactor
        self._table = table
        self._authenticate = authenticate or system_pam()
        self._room = Room(throttle, table.connections + BACKLOG)
        self._trouble = Trouble(reactor)
        self._threads = WorkerPool(reactor, "pam", table.connections, BACKLOG)

    async def check(self, question: Question) -> bool | None:
        """Ask PAM; None for a user that it doesn't know."""
        user = question.name if self._table.user == "address" else question.name.rpartition("@")[0]
        try:
            with self._room.place(question.name, question.peer):
                asking = self._threads.run(self._authenticate, user, question.password, self._table.service)
                result, reason = await within(self._reactor, self._table.timeout, asking)
        except TimeoutError:
            result, reason = None, f"no answer within {self._table.timeout:g} seconds"
        if result == SUCCESS:
            return True
        if result == USER_UNKNOWN:
            return None
        if result in REFUSED:
            return False
        if self._trouble.is_news(reason):
            self.log.warn(
                "PAM's service {service} can't judge {user!r} and maybe others: {reason}",
                event="auth.pam.failed",
                service=self._table.service,
                user=user,
                reason=reason,
            )
        raise TemporaryError(CANNOT_JUDGE)


def system_pam() -> Authenticate:
    """Return what asks the system's libpam.

    Raises:
        ValueError: there is none.
    """
    try:
        PamAuthenticator()
    except (OSError, AttributeError) as error:
        raise ValueError("this system has no libpam") from error
    return _ask_system


def _ask_system(user: str, password: str, service: str) -> tuple[int, str]:
    pam = PamAuthenticator()
    pam.authenticate(user, password, service, resetcreds=False)
    return pam.code, str(pam.reason)
