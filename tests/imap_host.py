"""A host with IMAP in memory: real mailboxes on a real SQLite, sessions on transports of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imap_client import Client
from imap_mirror import Ledger
from mail_at_rest import Rest
from memory_bodies import MemoryBodies
from twisted.internet.testing import StringTransportWithDisconnection
from zope.interface import implementer

from twistedmail_mta.access.factory import AccessFactory
from twistedmail_mta.access.imap.attendance import Attendance
from twistedmail_mta.access.imap.conversation import IMAPConversation, turned_away
from twistedmail_mta.access.imap.listener import IMAPListener
from twistedmail_mta.access.terms import Terms
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.directory.limits import Limits
from twistedmail_mta.directory.quotas import Usage
from twistedmail_mta.errors import PermanentError
from twistedmail_mta.interfaces import IAuthenticator, IBodyStore, ILogins, IMailAccess
from twistedmail_mta.model import InlineBody, Reply
from twistedmail_mta.networks import parse_networks

PASSWORD = "secret"
WRONG = Reply(535, "5.7.8", "Authentication credentials invalid")
TURNS = 1000
"""Turns of the reactor that an answer may take."""


@implementer(IMailAccess)
@dataclass
class Avatar:
    """A login."""

    account: str
    account_id: int


@implementer(IAuthenticator)
class Gatekeeper:
    """Knows user1, user2 ... at example.org, and one password for all."""

    async def password(self, authcid: str, authzid: str, password: bytes, *where: Any) -> Avatar:
        if password != PASSWORD.encode():
            raise PermanentError(WRONG)
        return Avatar(authcid, int(authcid.removeprefix("user").partition("@")[0]))


@implementer(ILogins)
class Logins:
    """Logins that never end."""

    def watch(self, avatar: Any, ended: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class Plenty:
    """Quotas without limits."""

    async def reserve(self, deliveries: Any, size: int) -> None:
        """There is always room."""

    async def usage(self, account: int) -> Usage:
        """Much may be held, and nothing is."""
        return Usage(Limits(octets=1 << 40, messages=1 << 20))

    async def refusal_of_copies(self, account: int, octets: int, messages: int) -> None:
        """There is always room."""

    def release(self, deliveries: Any, size: int) -> None:
        """Nothing was counted."""


@implementer(IBodyStore)
class Bodies(MemoryBodies):
    """Bodies that are rows, all of them."""

    async def read(self, body: Any, offset: int, size: int) -> bytes:
        assert isinstance(body, InlineBody)
        return body.data[offset : offset + size]


class Transport(StringTransportWithDisconnection):
    """A transport that knows the few things more that a TCP server's does."""

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Nothing is delayed here."""

    def abortConnection(self) -> None:  # noqa: N802
        super().loseConnection()


class MemoryWire:
    """A client's end of a connection in memory; while it waits, the reactor's turns pass."""

    def __init__(self, host: IMAPHost) -> None:
        self._host = host
        self.transport = Transport()
        connection = host.factory.buildProtocol(None)
        assert connection is not None
        self.transport.protocol = connection
        connection.makeConnection(self.transport)  # type: ignore[arg-type]
        self.connection: Any = connection
        self._read = b""

    def send(self, octets: bytes) -> None:
        self.connection.dataReceived(octets)

    def _more(self) -> bool:
        """Return whether more came, after as many turns as that takes."""
        for _ in range(TURNS):
            if octets := self.transport.value():
                self.transport.clear()
                self._read += octets
                return True
            if not self.transport.connected:
                return False
            self._host.rest.clock.advance(0)
        raise AssertionError("nothing comes")

    @property
    def quiet(self) -> bool:
        """Whether nothing comes, however many turns pass."""
        for _ in range(3):
            self._host.rest.clock.advance(0)
        return not self._read and not self.transport.value()

    def line(self) -> bytes:
        while b"\n" not in self._read:
            if not self._more():
                break
        end = self._read.find(b"\n") + 1
        line, self._read = self._read[:end], self._read[end:]
        return line

    def take(self, count: int) -> bytes:
        while len(self._read) < count:
            assert self._more()
        octets, self._read = self._read[:count], self._read[count:]
        return octets

    def close(self) -> None:
        if self.transport.connected:
            self.transport.loseConnection()


class IMAPHost:
    """A host; `restart` makes its process anew, and breaks its connections.

    Attributes:
        rest: its mailboxes.
        ledger: what its clients were told.
    """

    def __init__(self, accounts: int = 1) -> None:
        self.rest = Rest(accounts)
        self.ledger = Ledger()
        self._begin()

    def _begin(self) -> None:
        rest = self.rest
        terms = Terms(
            name="imap",
            protocol="imap",
            tls=None,
            implicit_tls=False,
            connections_per_client=100,
            idle=1800.0,
            idle_before_login=60.0,
            turned_away=turned_away,
            new_session=lambda: str(rest.spool.new_id()),
            clock=rest.clock,
            tasks=rest.tasks,
        )
        values: dict[str, Any] = {
            "terms": terms,
            "version": "0",
            "plaintext_login": parse_networks(["192.168.0.0/16"]),
            "failed_logins": 3,
            "errors_before_delay": 1000,
            "errors": 1000,
            "sessions_per_account": 100,
            "message_size": 1 << 20,
            "header_size": 1 << 18,
            "attendance": Attendance(),
            "store": rest.store,
            "bodies": Bodies(),
            "quotas": Plenty(),
            "authenticator": Gatekeeper(),
            "logins": Logins(),
            "new_id": rest.spool.new_id,
            "now": rest.clock.seconds,
        }
        self.listener = IMAPListener(**values)
        self.factory = AccessFactory(Crowd(1000))
        self.factory.serve(terms, lambda connection: IMAPConversation(self.listener, connection))

    def client(self, account: int = 1, prefix: str = "a") -> Client:
        """Let a client connect and log in."""
        client = Client(MemoryWire(self), self.ledger, prefix=prefix)
        return client.login(f"user{account}@example.org", PASSWORD)

    def restart(self) -> None:
        """End the process, which closes its connections, and begin it again."""
        self.factory.abort()
        self.rest.clock.advance(60)
        self.rest.restart()
        self._begin()
