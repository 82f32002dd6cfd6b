"""A POP3 listener with fakes behind it, and a client on a transport of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from zope.interface import implementer

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.access.factory import AccessFactory
from twistedmail_mta.access.pop3_conversation import POP3Conversation, turned_away
from twistedmail_mta.access.pop3_listener import POP3Listener
from twistedmail_mta.access.terms import Terms
from twistedmail_mta.access.visits import Rules, Visits
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.errors import PermanentError, TemporaryError
from twistedmail_mta.interfaces import IAuthenticator, ILogins, IMaildrop, IMaildropAccess
from twistedmail_mta.model import DropMessage, Reply
from twistedmail_mta.networks import parse_networks
from twistedmail_mta.pop3.standing import SessionSettings
from twistedmail_mta.tasks import Promise, TaskGroup

NAME, PASSWORD = "ann@example.org", "secret"
LOGIN = (f"USER {NAME}", f"PASS {PASSWORD}")
WRONG = Reply(535, "5.7.8", "Authentication credentials invalid")
BUSY = TemporaryError(Reply(451, "4.3.0", "Busy"))
FREE = Rules(sessions=5, exclusive=False, delay=0)
MAILS = (
    b"Subject: one\r\n\r\nfirst\r\n",
    b"Subject: two\r\n\r\n.dot\r\n..dots\r\n.\r\nlast",
    b"Subject: three\r\n\r\n",
)


class RunningClock(Clock):
    """A clock on which every look costs a millisecond, as work does."""

    def seconds(self) -> float:
        self.rightNow += 0.001
        return self.rightNow


@implementer(IMaildrop)
class MemoryDrop:
    """A snapshot of some messages, whose reads wait at a gate if the test says so."""

    def __init__(self, store: MailStore) -> None:
        self._store = store
        self._mails = dict(store.mails)
        self.messages = tuple(DropMessage(uid, len(mail), f"u{uid}") for uid, mail in self._mails.items())
        self.uids = list(self._mails)
        self.sizes = [len(mail) for mail in self._mails.values()]
        self.uidls = [message.uidl for message in self.messages]
        self.closed = False

    async def fetch(self, uids: Sequence[int], most: int) -> Sequence[bytes | None]:
        self._store.fetched.append(list(uids))
        await self._store.ready()
        found: list[bytes | None] = []
        octets = 0
        for uid in uids:
            mail = self._store.mails.get(uid)
            octets += len(mail or b"")
            if found and octets > most:
                break
            found.append(mail)
        return found

    async def read(self, uid: int, offset: int, size: int) -> bytes:
        self._store.pieces.append((offset, size))
        await self._store.ready()
        return self._store.mails.get(uid, b"")[offset : offset + size]

    async def remove(self, uids: Collection[int]) -> None:
        await self._store.ready()
        self._store.removals.append(tuple(uids))
        for uid in uids:
            self._store.mails.pop(uid, None)

    def close(self) -> None:
        self.closed = True


class MailStore:
    """The INBOX behind all sessions."""

    def __init__(self, mails: Sequence[bytes] = MAILS) -> None:
        self.mails = {10 + place: mail for place, mail in enumerate(mails)}
        self.fetched: list[list[int]] = []
        self.pieces: list[tuple[int, int]] = []
        self.removals: list[tuple[int, ...]] = []
        self.drops: list[MemoryDrop] = []
        self.gate: Promise[None] | None = None
        self.failure: Exception | None = None

    async def ready(self) -> None:
        """Wait at the gate, or fail, as the test wants it."""
        if self.gate is not None:
            await self.gate
        if self.failure is not None:
            raise self.failure

    async def open(self) -> MemoryDrop:
        await self.ready()
        self.drops.append(MemoryDrop(self))
        return self.drops[-1]


@implementer(IMaildropAccess)
@dataclass
class Avatar:
    """A login, told apart by its account."""

    account: str
    account_id: int
    store: MailStore

    async def open(self) -> MemoryDrop:
        return await self.store.open()


@implementer(IAuthenticator)
class Gatekeeper:
    """Knows one password for everybody; remembers who asked."""

    def __init__(self, store: MailStore) -> None:
        self._store = store
        self.asked: list[tuple[Any, ...]] = []
        self.failure: Exception | None = None
        self.gate: Promise[None] | None = None

    async def password(self, authcid: str, authzid: str, password: bytes, *where: Any) -> Avatar:
        self.asked.append((authcid, authzid, *where))
        if self.gate is not None:
            await self.gate
        if self.failure is not None:
            raise self.failure
        if password != PASSWORD.encode():
            raise PermanentError(WRONG)
        return Avatar(authcid, hash(authcid), self._store)


@implementer(ILogins)
class Logins:
    """Remembers who wants to hear of the end of a login."""

    def __init__(self) -> None:
        self.watchers: list[Callable[[], None]] = []

    def watch(self, avatar: Any, ended: Callable[[], None]) -> Callable[[], None]:
        self.watchers.append(ended)
        return lambda: self.watchers.remove(ended)


@dataclass
class Counter:
    """One POP3 listener and what stands behind it."""

    mails: Sequence[bytes] = MAILS
    rules: Rules = FREE
    terms: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock, self.tasks, self.store, self.logins = Clock(), TaskGroup(), MailStore(self.mails), Logins()
        self.gatekeeper, self.visits = Gatekeeper(self.store), Visits(self.clock)
        self._ids = iter(range(1, 10**6))
        listener = self._listener()
        self.factory = AccessFactory(Crowd(20))
        self.factory.serve(listener.terms, lambda connection: POP3Conversation(listener, connection))

    def _listener(self) -> POP3Listener:
        terms: dict[str, Any] = {
            "name": "pop3",
            "protocol": "pop3",
            "tls": None,
            "implicit_tls": False,
            "connections_per_client": 10,
            "idle": 600.0,
            "idle_before_login": 600.0,
            "turned_away": turned_away,
            "new_session": lambda: str(next(self._ids)),
            "clock": self.clock,
            "tasks": self.tasks,
        }
        values: dict[str, Any] = {
            "terms": Terms(**{**terms, **self.terms}),
            "settings": SessionSettings("mail.example.org"),
            "plaintext_login": parse_networks(["192.168.1.0/24"]),
            "failed_logins": 3,
            "errors_before_delay": 3,
            "errors": 6,
            "rules": self.rules,
            "visits": self.visits,
            "authenticator": self.gatekeeper,
            "logins": self.logins,
        }
        return POP3Listener(**{**values, **self.options})

    def connect(self) -> Client:
        """Let a client connect; take its greeting away."""
        client = Client(self)
        client.said()
        return client

    def log_in(self) -> Client:
        """Let a client connect and log in."""
        client = self.connect()
        assert client.type(*LOGIN).startswith("+OK Logged in")
        return client


class Transport(StringTransportWithDisconnection):
    """A transport that knows the few things more that a TCP server's does."""

    aborted = False
    lingers = False
    """Whether the client doesn't close its end although ours is closed, as TLS lets it."""

    def loseConnection(self) -> None:  # noqa: N802
        if not self.lingers:
            super().loseConnection()

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Nothing is delayed here."""

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted = True
        super().loseConnection()


class Client:
    """Types lines and reads what came back since."""

    def __init__(self, counter: Counter) -> None:
        self.transport = Transport()
        connection = counter.factory.buildProtocol(None)
        assert connection is not None
        self.connection: Connection = connection
        self.transport.protocol = connection
        connection.makeConnection(self.transport)  # type: ignore[arg-type]

    def send(self, data: bytes) -> str:
        """Send octets; return what the server says at once."""
        self.connection.dataReceived(data)
        return self.said()

    def said(self) -> str:
        """What the server has said since the last look."""
        text = self.transport.value().decode()
        self.transport.clear()
        return text

    def type(self, *lines: str) -> str:
        """Send lines, one after another; return the last answer."""
        answer = ""
        for line in lines:
            answer = self.send(line.encode() + b"\r\n")
        return answer

    def hang_up(self) -> None:
        """Go away."""
        self.transport.loseConnection()

    @property
    def connected(self) -> bool:
        """Whether the server has let the connection be."""
        return bool(self.transport.connected)
