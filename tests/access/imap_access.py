"""An IMAP listener on mailboxes in memory, and clients on transports of the test's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mail_access import Client, Logins
from mail_at_rest import Rest
from memory_bodies import MemoryBodies
from zope.interface import implementer

from twistedmail_mta.access.factory import AccessFactory
from twistedmail_mta.access.imap.attendance import Attendance
from twistedmail_mta.access.imap.conversation import IMAPConversation, turned_away
from twistedmail_mta.access.imap.listener import IMAPListener
from twistedmail_mta.access.terms import Terms
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.directory.limits import NO_LIMITS
from twistedmail_mta.directory.quotas import Usage
from twistedmail_mta.errors import PermanentError
from twistedmail_mta.interfaces import IAuthenticator
from twistedmail_mta.model import Delivery, Reply
from twistedmail_mta.networks import parse_networks

NAME, PASSWORD = "user1@example.org", "secret"
WRONG = Reply(535, "5.7.8", "Authentication credentials invalid")
FULL = Reply(452, "4.2.2", "Mailbox full")


@dataclass
class Avatar:
    """A login, told apart by its account."""

    account: str
    account_id: int


@implementer(IAuthenticator)
class Gatekeeper:
    """Knows one password for everybody, and the accounts user1, user2, ..."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked: list[tuple[Any, ...]] = []

    async def password(self, authcid: str, authzid: str, password: bytes, *where: Any) -> Avatar:
        self.asked.append((authcid, authzid, *where))
        if self.failure is not None:
            raise self.failure
        if password != PASSWORD.encode():
            raise PermanentError(WRONG)
        return Avatar(authcid, int(authcid.removeprefix("user").partition("@")[0]))


class Room:
    """Quotas that have room, unless the test says otherwise; what is reserved is given back."""

    def __init__(self) -> None:
        self.full = False
        self.held = 0
        self.usages: dict[int, Usage] = {}

    async def reserve(self, deliveries: Sequence[Delivery], size: int) -> Reply | None:
        if self.full:
            return FULL
        self.held += size
        return None

    def release(self, deliveries: Sequence[Delivery], size: int) -> None:
        self.held -= size

    async def refusal_of_copies(self, account: int, octets: int, messages: int) -> Reply | None:
        return FULL if self.full else None

    async def usage(self, account: int) -> Usage:
        return self.usages.get(account, Usage(NO_LIMITS))


@dataclass
class Desk:
    """One IMAP listener and what stands behind it."""

    terms: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rest, self.gatekeeper, self.logins, self.quotas = Rest(), Gatekeeper(), Logins(), Room()
        self.bodies, self.attendance = MemoryBodies(), Attendance()
        self._ids = iter(range(1, 10**6))
        listener = self._listener()
        self.factory = AccessFactory(Crowd(20))
        self.factory.serve(listener.terms, lambda connection: IMAPConversation(listener, connection))

    def _listener(self) -> IMAPListener:
        terms: dict[str, Any] = {
            "name": "imap",
            "protocol": "imap",
            "tls": None,
            "implicit_tls": False,
            "connections_per_client": 10,
            "idle": 1800.0,
            "idle_before_login": 180.0,
            "turned_away": turned_away,
            "new_session": lambda: str(next(self._ids)),
            "clock": self.rest.clock,
            "tasks": self.rest.tasks,
        }
        values: dict[str, Any] = {
            "terms": Terms(**{**terms, **self.terms}),
            "version": "1.2.3",
            "plaintext_login": parse_networks(["192.168.1.0/24"]),
            "failed_logins": 3,
            "errors_before_delay": 3,
            "errors": 6,
            "sessions_per_account": 2,
            "message_size": 1000,
            "header_size": 500,
            "attendance": self.attendance,
            "store": self.rest.store,
            "bodies": self.bodies,
            "quotas": self.quotas,
            "authenticator": self.gatekeeper,
            "logins": self.logins,
            "new_id": self.rest.spool.new_id,
            "now": self.rest.clock.seconds,
        }
        return IMAPListener(**{**values, **self.options})

    def connect(self) -> Client:
        """Let a client connect; take its greeting away."""
        client = Client(self)  # type: ignore[arg-type]
        client.said()
        return client

    def log_in(self, name: str = NAME) -> Client:
        """Let a client connect and log in."""
        client = self.connect()
        assert " OK " in client.type(f"l LOGIN {name} {PASSWORD}")
        return client

    def select(self, name: str = NAME) -> Client:
        """Let a client log in and open INBOX."""
        client = self.log_in(name)
        assert "s OK [READ-WRITE]" in client.type("s SELECT INBOX")
        return client

    def put(self, *messages: bytes) -> None:
        """Let messages arrive in INBOX."""
        client = self.log_in("user1@example.org")
        for message in messages:
            answer = client.send(b"p APPEND INBOX {%d+}\r\n%b\r\n" % (len(message), message))
            assert answer.startswith("p OK"), answer
        client.type("q LOGOUT")
