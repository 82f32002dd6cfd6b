"""A listener with fakes behind it, and a client on a transport of the test's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from memory_bodies import MemoryBodies, open_gate
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from zope.interface import implementer

from twistedmail_mta.config.limits import ListenerLimits
from twistedmail_mta.config.roles import ROLES
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.errors import MailError, PermanentError
from twistedmail_mta.interfaces import (
    IAcceptance,
    IAuthenticator,
    IDatabase,
    IDirectory,
    IFilteredMail,
    ILogins,
    IQuotas,
    IRecipientCheck,
    ISubmitter,
)
from twistedmail_mta.model import Address, Delivery, Detention, Expansion, Former, LocalMail, Message, Reply
from twistedmail_mta.networks import parse_networks
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.receive.factory import ServerFactory
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.protocol import ServerProtocol
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.stages import GRANTS
from twistedmail_mta.tasks import Promise, TaskGroup

LIMITS = ListenerLimits(
    message_size=1 << 20,
    header_size=10_000,
    line_length=100_000,
    recipients=3,
    connections_per_client=2,
    commands=50,
    errors_before_delay=3,
    errors=6,
    hops=5,
    idle=300.0,
    transaction=3600.0,
)


@implementer(IAcceptance)
class Acceptance:
    """Takes messages, when its gate is open."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.local: list[LocalMail | None] = []
        self.detained: list[Detention | None] = []
        self.gate = open_gate()

    async def accept(
        self, message: Message, local: LocalMail | None = None, detention: Detention | None = None
    ) -> None:
        await self.gate
        self.messages.append(message)
        self.local.append(local)
        self.detained.append(detention)


NO_SUCH_ADDRESS = Reply(550, "5.1.1", "no such address")


def mailboxes(*accounts: int) -> tuple[Delivery, ...]:
    """The INBOX of each account, as it is at home.test."""
    return tuple(Delivery(account, Address(f"u{account}", "home.test")) for account in accounts)


@implementer(IDirectory)
class Directory:
    """Keeps mail for home.test; `later` are addresses that have to be looked up, when the gate is open."""

    def __init__(self) -> None:
        self.addresses: dict[str, Expansion | Reply] = {
            "u1@home.test": Expansion(mailboxes(1)),
            "u2@home.test": Expansion(mailboxes(2)),
            "both@home.test": Expansion(mailboxes(1, 2)),
            "away@home.test": Expansion((), (Address("ann", "else.test"),)),
            "team@home.test": Expansion(mailboxes(1, 3), (Address("ann", "else.test"),)),
            "all@home.test": Expansion(mailboxes(*range(1, 1001))),
        }
        self.later: set[str] = set()
        self.gate = open_gate()

    def hosts(self, domain: str) -> bool:
        return domain == "home.test"

    def known(self, recipient: Address) -> Expansion | Reply | None:
        if str(recipient) in self.later:
            return None
        return self.addresses.get(str(recipient), NO_SUCH_ADDRESS)

    async def resolve(self, recipient: Address) -> Expansion | Reply:
        await self.gate
        return self.addresses.get(str(recipient), NO_SUCH_ADDRESS)


@implementer(IFilteredMail)
class FilteredMail:
    """Knows what the test says is with a content filter."""

    def __init__(self) -> None:
        self.known: dict[int, Former] = {}
        self.asked: list[int] = []
        self.gate = open_gate()

    async def former(self, message_id: int) -> Former | None:
        await self.gate
        self.asked.append(message_id)
        return self.known.get(message_id)


FULL = Reply(452, "4.2.2", "full")


@implementer(IQuotas)
class Quotas:
    """Keeps count of what is reserved; the accounts in `full` have no room."""

    def __init__(self) -> None:
        self.full: set[int] = set()
        self.reserved: Counter[tuple[int, int]] = Counter()
        self.asked: list[int] = []
        self.gate = open_gate()

    async def reserve(self, deliveries: Sequence[Delivery], size: int) -> Reply | None:
        await self.gate
        self.asked.append(size)
        if any(delivery.account in self.full for delivery in deliveries):
            return FULL
        self.reserved.update((delivery.account, size) for delivery in deliveries)
        return None

    def release(self, deliveries: Sequence[Delivery], size: int) -> None:
        self.reserved.subtract((delivery.account, size) for delivery in deliveries)
        assert all(number >= 0 for number in self.reserved.values()), "given back more than was reserved"

    @property
    def held(self) -> int:
        """How many reservations stand."""
        return self.reserved.total()


@implementer(IDatabase)
class Disk:
    """Says whether new mail may begin."""

    def __init__(self) -> None:
        self.reply: Reply | None = None

    def refusal(self) -> Reply | None:
        return self.reply

    def write(self, function: Any, urgent: bool = False, size: int = 0) -> Any:
        raise NotImplementedError

    def read(self, function: Any) -> Any:
        raise NotImplementedError


@implementer(ISubmitter)
@dataclass
class Somebody:
    """A login that may send as the addresses it was given."""

    account: str
    senders: tuple[str, ...] = ()

    def may_send_as(self, address: Address) -> bool:
        return str(address) in (self.account, *self.senders)


@implementer(IAuthenticator)
class Gatekeeper:
    """Knows one password."""

    async def password(self, authcid: str, authzid: str, password: bytes, *_: Any) -> Somebody:
        if password != b"secret":
            raise PermanentError(Reply(535, "5.7.8", "no"))
        return Somebody(authcid, ("alias@example.org",))


@implementer(ILogins)
class Logins:
    """Remembers whom to tell when a login ends."""

    def __init__(self) -> None:
        self.watchers: list[Callable[[], None]] = []

    def watch(self, avatar: Any, ended: Callable[[], None]) -> Callable[[], None]:
        self.watchers.append(ended)
        return lambda: self.watchers.remove(ended)

    def end(self) -> None:
        """Let every login end."""
        for ended in list(self.watchers):
            ended()


@implementer(IRecipientCheck)
@dataclass
class SlowCheck:
    """Answers when the test says so."""

    answer: Promise[Reply | None] = field(default_factory=Promise)

    async def verify(self, recipient: Address) -> Reply | None:
        return await self.answer


@dataclass
class Reception:
    """One listener and what stands behind it."""

    role: str = "mx"
    limits: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, IRecipientCheck | None] = field(default_factory=lambda: {"relayed.test": None})
    options: Mapping[str, Any] = field(default_factory=dict)
    admin: str = "admin@example.org"
    plugins: Sequence[Plugin] = ()
    relay: Sequence[Plugin] = ()

    def __post_init__(self) -> None:
        self.clock, self.bodies, self.acceptance, self.disk = Clock(), MemoryBodies(), Acceptance(), Disk()
        self.directory, self.quotas, self.logins = Directory(), Quotas(), Logins()
        self.filtered_mail = FilteredMail()
        self.stored: list[tuple[Message, LocalMail]] = []
        self.tasks, self._ids = TaskGroup(), iter(range(1, 10**6))
        self.factory = ServerFactory(Crowd(3))
        self.factory.serve(self._listener())

    def _listener(self) -> Listener:
        values: dict[str, Any] = {
            "name": self.role,
            "role": ROLES[self.role],
            "hostname": "mail.example.org",
            "limits": replace(LIMITS, **self.limits),
            "tls": None,
            "implicit_tls": False,
            "plaintext_login": parse_networks(["192.168.1.0/24"]),
            "strict": False,
            "hide_client": False,
            "vrfy": "never",
            "admission": Admission(self.checks, self.directory, parse_address(self.admin)),
            "quotas": self.quotas,
            "authenticator": Gatekeeper(),
            "logins": self.logins,
            "acceptance": self.acceptance,
            "bodies": self.bodies,
            "database": self.disk,
            "new_id": lambda: next(self._ids),
            "now": lambda: 1_800_000_000.0,
            "offset": lambda _: 0,
            "clock": self.clock,
            "tasks": self.tasks,
            "plugins": Pipeline(self.plugins, self.clock),
            "trusted": None,
            "filtered_mail": self.filtered_mail,
            "grants": Pipeline(self.relay, self.clock, GRANTS),
            "stored": lambda message, local: self.stored.append((message, local)),
            "shortage": lambda: None,
        }
        return Listener(**{**values, **self.options})

    def connect(self) -> Client:
        """Let a client connect."""
        return Client(self)


class Transport(StringTransportWithDisconnection):
    """A transport that knows the few things more that a TCP server's does."""

    aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Nothing is delayed here."""

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted = True
        super().loseConnection()


class Client:
    """Types lines and reads what came back since."""

    def __init__(self, reception: Reception, transport: Transport | None = None) -> None:
        self.transport = transport or Transport()
        protocol = reception.factory.buildProtocol(None)
        assert protocol is not None
        self.protocol: ServerProtocol = protocol
        self.transport.protocol = protocol
        protocol.makeConnection(self.transport)  # type: ignore[arg-type]

    def send(self, data: bytes) -> str:
        """Send octets; return what the server says at once."""
        self.protocol.dataReceived(data)
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


ENVELOPE = ("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<ann@relayed.test>")


def raiser(error: MailError) -> Callable[[], None]:
    """A function that raises."""

    def fail() -> None:
        raise error

    return fail
