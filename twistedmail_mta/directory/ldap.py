"""A checker that binds to a directory with the name and password of whoever logs in.

Needs the extra `ldap`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from ldaptor.protocols.ldap.ldapclient import LDAPClient
from ldaptor.protocols.ldap.ldaperrors import LDAPException
from OpenSSL import SSL
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import Logger

from twistedmail_mta.config.checking import LDAPTable
from twistedmail_mta.directory.checkers import REMEMBERED_FROM_OUTSIDE, IReactorLogins, Question
from twistedmail_mta.directory.ldap_connection import (
    NO_SUCH_OBJECT,
    REFUSED,
    SUCCESS,
    LDAPConnection,
    LDAPTrouble,
)
from twistedmail_mta.directory.ldap_names import distinguished_name, search_filter
from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.room import Room
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.directory.trouble import Trouble
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import promise_of, within
from twistedmail_mta.tls.client import ClientConnectionCreator, ClientTLS

BACKLOG: Final = 100
"""Questions that may wait for a connection."""
NEXT_ADDRESS_AFTER: Final = 0.1
"""Seconds after which a host's next address is tried, beside the one before."""
_FAILURES: Final = (ConnectError, ConnectionClosed, LDAPException, LDAPTrouble, OSError, ValueError)


class LDAPChecker:
    """Asks a directory: whoever can bind with the password has the right one.

    With `user_dn` it binds by that name at once.  Few directories say then
    that they don't know it (noSuchObject), so this checker knows nearly every
    name it is asked for.  With `base` and `filter` it searches the entry first,
    and knows the names for which it finds one.
    """

    log: ClassVar[Logger] = Logger()
    generation = 0
    remembered = REMEMBERED_FROM_OUTSIDE

    def __init__(
        self, reactor: IReactorLogins, table: LDAPTable, secret: Callable[[str], str], throttle: LoginThrottle
    ) -> None:
        """Prepare; nothing is connected before somebody logs in.

        Args:
            reactor: where connections are made.
            table: where the directory is, and how names are found there.
            secret: returns the secret that a source names, as `read_secret`.
            throttle: knows who logged in lately from where.

        Raises:
            CertificateError: the authorities can't be read.
        """
        self._reactor = reactor
        self._table = table
        self._secret = secret
        self._tls = ClientTLS(table.ca_file) if table.tls == "required" and table.server.port else None
        self._room = Room(throttle, table.connections + BACKLOG)
        self._free = DeferredSemaphore(table.connections)
        self._trouble = Trouble(reactor)

    async def check(self, question: Question) -> bool | None:
        """Bind as the name; None when the directory has no entry for it."""
        try:
            with self._room.place(question.name, question.peer):
                return await within(self._reactor, self._table.timeout, self._in_turn(question))
        except (TimeoutError, ConnectingCancelledError):
            self._tell(f"no answer within {self._table.timeout:g} seconds")
        except _FAILURES as error:
            self._tell(str(error) or type(error).__name__)
        raise TemporaryError(CANNOT_JUDGE)

    async def _in_turn(self, question: Question) -> bool | None:
        await promise_of(self._free.acquire())
        try:
            return await self._connect_and_ask(question)
        finally:
            self._free.release()

    async def _connect_and_ask(self, question: Question) -> bool | None:
        creator = self._tls.connection_to(self._table.server.host, verify=True) if self._tls is not None else None
        connecting = connectProtocol(self._endpoint(creator), LDAPClient())  # type: ignore[no-untyped-call]
        connection = LDAPConnection(await promise_of(connecting))
        try:
            if creator is not None and not self._table.server.implicit_tls:
                await connection.start_tls(creator)
            verdict = await self._ask(connection, question)
        except BaseException as error:
            connection.abort()
            if isinstance(error, SSL.Error):
                raise LDAPTrouble(_tls_problem(creator, error)) from error
            raise
        connection.close()
        return verdict

    def _endpoint(self, creator: ClientConnectionCreator | None) -> IStreamClientEndpoint:
        server = self._table.server
        if not server.port:
            return UNIXClientEndpoint(self._reactor, server.host)  # type: ignore[no-untyped-call]
        endpoint = HostnameEndpoint(
            self._reactor, server.host, server.port, timeout=self._table.timeout, attemptDelay=NEXT_ADDRESS_AFTER
        )
        return wrapClientTLS(creator, endpoint) if creator is not None and server.implicit_tls else endpoint

    async def _ask(self, connection: LDAPConnection, question: Question) -> bool | None:
        name = await self._entry(connection, question.name)
        if name is None:
            return None
        response = await connection.bind(name, question.password)
        if response.resultCode == SUCCESS:
            return True
        if response.resultCode == NO_SUCH_OBJECT:
            return None
        if response.resultCode in REFUSED:
            return False
        raise LDAPTrouble(f"it answers a bind with result {response.resultCode}")

    async def _entry(self, connection: LDAPConnection, name: str) -> str | bytes | None:
        """Return the distinguished name that goes with a login's name."""
        table = self._table
        if table.user_dn is not None:
            return distinguished_name(table.user_dn, name)
        if table.auth is not None:
            await self._log_in(connection, table.auth.login.user, self._secret(table.auth.login.password_source))
        found = await connection.find(table.base or "", search_filter(table.filter or "", name))
        if len(found) > 1:
            raise LDAPTrouble(f"it has several entries for {name}")
        return found[0] if found else None

    async def _log_in(self, connection: LDAPConnection, name: str, password: str) -> None:
        response = await connection.bind(name, password)
        if response.resultCode != SUCCESS:
            raise LDAPTrouble(f"it refuses the checker's own login with result {response.resultCode}")

    def _tell(self, reason: str) -> None:
        if self._trouble.is_news(reason):
            self.log.warn(
                "the directory {url} can't judge logins: {reason}",
                event="auth.ldap.failed",
                url=self._table.url,
                reason=reason,
            )


def _tls_problem(creator: ClientConnectionCreator | None, error: SSL.Error) -> str:
    """Say what was wrong with TLS: with the certificate, if it was that."""
    return creator.problem if creator is not None and creator.problem else f"TLS failed: {error}"
