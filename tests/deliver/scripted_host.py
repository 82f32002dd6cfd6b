"""Mail hosts that behave as a test tells them, on real sockets, and everything a delivery needs to reach them."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import trustme
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.deliver.agent import DeliveryAgent
from twistedmail_mta.deliver.connection import Timeouts
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.dial import Dialer, Outbound
from twistedmail_mta.deliver.mx import Hosts
from twistedmail_mta.deliver.networks import Reach
from twistedmail_mta.deliver.pool import Pool, Reuse
from twistedmail_mta.deliver.sources import Sources
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyStore, IDeliveryAgent, ISecureResolver, ITLSSessions
from twistedmail_mta.model import (
    Address,
    Answer,
    Body,
    Envelope,
    InlineBody,
    Message,
    MXRecord,
    NextHop,
    Origin,
    Outcome,
    Recipient,
    Reply,
)
from twistedmail_mta.networks import parse_networks
from twistedmail_mta.tls.client import ClientTLS

NO_SOURCES = Sources()
DROP = object()
"""Close the connection instead of answering."""
HANG_UP = object()
"""Close it in order: what was said before arrives."""
SILENCE = object()
"""Say nothing any more."""


@dataclass(frozen=True)
class Slowly:
    """Say something octet for octet."""

    answer: bytes


HEADER = b"Subject: x\r\nFrom: ann@example.org\r\n\r\n"
TEXT = b".a dot\r\nand the end\r\n"

Behaviour = Any


@dataclass
class ScriptedHost:
    """A mail host.

    Attributes:
        answers: by verb (also GREETING, END for the final dot or BDAT LAST, TLS for the answer to a ClientHello):
            octets, DROP, HANG_UP, SILENCE, Slowly, a function of the line, or a list of these, one for each time.
        extensions: of the EHLO reply.
        lmtp: the host speaks LMTP: LHLO instead of EHLO, and an END for each recipient taken.
        context: for STARTTLS, or for TLS from the first octet (`implicit`).
        reads: whether the body is read; a slow host reads when told to.
        sessions: one for each connection.
    """

    answers: dict[str, Behaviour] = field(default_factory=dict)
    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "DSN", "SIZE 100000000")
    context: SSL.Context | None = None
    implicit: bool = False
    lmtp: bool = False
    port: int = 0
    sessions: list[HostSession] = field(default_factory=list)

    def answer(self, verb: str, line: bytes) -> Behaviour:
        """Return what to do for a verb."""
        answer = self.answers.get(verb)
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else None
        if callable(answer):
            answer = answer(line)
        return self._usual(verb) if answer is None else answer

    @property
    def commands(self) -> list[bytes]:
        """Every command of every session."""
        return [line for session in self.sessions for line in session.lines]

    @property
    def messages(self) -> list[bytes]:
        """The messages as they arrived: after DATA still stuffed."""
        return [message for session in self.sessions for message in session.messages]

    def _usual(self, verb: str) -> bytes:
        if verb == "EHLO":
            offered = (*self.extensions, *(("STARTTLS",) if self.context and not self.implicit else ()))
            return b"250-host\r\n" + b"".join(f"250-{word}\r\n".encode() for word in offered) + b"250 HELP\r\n"
        if self.lmtp and verb == "HELO":
            return b"500 this is LMTP\r\n"
        usual = {"GREETING": "220 host", "DATA": "354 go", "QUIT": "221 bye", "STARTTLS": "220 go", "AUTH": "235 in"}
        return usual.get(verb, "250 2.0.0 ok").encode() + b"\r\n"


class HostSession(Protocol):
    """One connection to a scripted host."""

    def __init__(self, host: ScriptedHost) -> None:
        self.host = host
        self.lines: list[bytes] = []
        self.messages: list[bytes] = []
        self.octets = 0
        self.gone: Deferred[None] = Deferred()
        self._buffer = bytearray()
        self._in_data = False
        self._searched = 0
        self._accepted = 0
        self._chunk: tuple[int, bool] | None = None
        self._chunks: list[bytes] = []
        self._dripping = bytearray()
        self._drop: Any = None
        self._mute = False
        self._leaving = False
        self._hello_answer: Behaviour = None

    def connectionMade(self) -> None:
        self.host.sessions.append(self)
        if self.host.implicit:
            self._start_tls()
        self._do(self.host.answer("GREETING", b""))

    def dataReceived(self, data: bytes) -> None:
        self.octets += len(data)
        if self._hello_answer is not None:
            self._do(self._hello_answer)
            return
        self._searched = max(len(self._buffer) - 4, 0)
        self._buffer += data
        while self._take_chunk() if self._chunk is not None else self._take_unit():
            self._searched = 0
        if self._in_data and self._buffer == b".\r\n":
            self._buffer.clear()
            self._take(b"")

    def connectionLost(self, reason: Any = None) -> None:
        if self._drop is not None:
            self._drop.cancel()
        self.gone.callback(None)

    def _take_unit(self) -> bool:
        end = self._buffer.find(b"\r\n.\r\n" if self._in_data else b"\r\n", self._searched)
        if end < 0:
            return False
        unit = bytes(self._buffer[:end])
        del self._buffer[: end + (5 if self._in_data else 2)]
        self._take(unit)
        return True

    def _take_chunk(self) -> bool:
        assert self._chunk is not None
        size, last = self._chunk
        if len(self._buffer) < size:
            return False
        self._chunks.append(bytes(self._buffer[:size]))
        del self._buffer[:size]
        self._chunk = None
        if last:
            self._end(b"".join(self._chunks))
            self._chunks = []
        else:
            self._do(self.host.answer("BDAT", b""))
        return True

    def _end(self, message: bytes) -> None:
        self.messages.append(message)
        for _ in range(self._accepted if self.host.lmtp else 1):
            self._do(self.host.answer("END", b""))

    def _take(self, unit: bytes) -> None:
        if self._in_data:
            self._in_data = False
            self._end(unit + b"\r\n")
            return
        self.lines.append(unit)
        verb, *words = unit.decode().upper().split(" ")
        if verb == "BDAT":
            self._chunk = int(words[0]), words[1:] == ["LAST"]
            return
        if self.host.lmtp and verb in ("EHLO", "LHLO"):
            verb = "EHLO" if verb == "LHLO" else "HELO"
        answer = self.host.answer(verb, unit)
        said = answer.answer if isinstance(answer, Slowly) else answer if isinstance(answer, bytes) else b""
        self._in_data = said.startswith(b"354")
        self._accepted = 0 if verb == "MAIL" else self._accepted + (verb == "RCPT" and said.startswith(b"2"))
        self._do(answer)
        if verb == "STARTTLS" and isinstance(answer, bytes) and answer.startswith(b"220 "):
            self._follow_starttls()
        elif verb == "QUIT":
            self._leaving = True
            if not self._dripping:
                self.transport.loseConnection()

    def _follow_starttls(self) -> None:
        follows = self.host.answers.get("TLS")
        if follows is not None:
            self._hello_answer = follows
        elif self.host.context is not None:
            self._start_tls()

    def _start_tls(self) -> None:
        self.transport.startTLS(_Creator(self.host.context))

    def _do(self, answer: Behaviour) -> None:
        if self._mute:
            return
        self._mute = answer is SILENCE or answer is HANG_UP
        if answer is DROP:
            self.transport.abortConnection()
        elif answer is HANG_UP:
            self.transport.loseConnection()
        elif isinstance(answer, Slowly):
            self._dripping += answer.answer
            self._drop = self._drop or self.transport.reactor.callLater(0, self._drip)
        elif self._dripping:
            self._dripping += answer
        elif answer is not SILENCE:
            self.transport.write(answer)

    def _drip(self) -> None:
        self.transport.write(bytes(self._dripping[:1]))
        del self._dripping[:1]
        self._drop = self.transport.reactor.callLater(0, self._drip) if self._dripping else None
        if self._leaving and not self._dripping:
            self.transport.loseConnection()


@implementer(IOpenSSLServerConnectionCreator)
class _Creator:
    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        return SSL.Connection(self._context, None)


class Authorities:
    """One authority that is trusted, and one that isn't.

    Attributes:
        trusted: the file with the first one's certificate.
    """

    def __init__(self, folder: Path) -> None:
        self._known, self._stranger = trustme.CA(), trustme.CA()
        self._known.cert_pem.write_to_path(folder / "ca.pem")
        self.trusted = folder / "ca.pem"

    def context_for(self, name: str, *, known: bool = True) -> SSL.Context:
        """Return a server's context with a certificate for a name or address."""
        issued = (self._known if known else self._stranger).issue_cert(name)
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()))
        context.use_privatekey(load_pem_private_key(issued.private_key_pem.bytes(), None))
        return context


@implementer(ISecureResolver)
@dataclass
class Tables:
    """A resolver that knows a few names; an exception in a table is raised.

    Attributes:
        insecure: names in zones that aren't signed; None: no zone is.
        aliases: where CNAMEs lead.
        asked: names whose TLSA records were asked for.
    """

    mx_table: dict[str, Any] = field(default_factory=dict)
    address_table: dict[str, Any] = field(default_factory=dict)
    tlsa_table: dict[str, Any] = field(default_factory=dict)
    text_table: dict[str, Any] = field(default_factory=dict)
    insecure: set[str] | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def mx(self, domain: str) -> Answer[MXRecord]:
        found = self.mx_table.get(domain, "missing")
        return self._answer(domain, [MXRecord(*pair) for pair in found] if isinstance(found, list) else found)

    async def addresses(self, host: str, family: str) -> Answer[str]:
        end = self.aliases.get(host, host)
        found = self.address_table.get(end, "missing")
        if isinstance(found, list):
            found = [address for address in found if (":" in address) == (family == "AAAA")]
        if isinstance(found, dict):
            found = found.get(family, [])
        answer = self._answer(end, found)
        secure = answer.authentic and self._is_secure(host)
        return replace(answer, authentic=secure, alias="" if end == host else end)

    async def tlsa(self, name: str) -> Answer[TLSA]:
        self.asked.append(name)
        return self._answer(name, self.tlsa_table.get(name, "missing"))

    async def cname(self, name: str) -> Answer[str]:
        return self._answer(name, [self.aliases[name]] if name in self.aliases else "empty")

    async def texts(self, name: str) -> Answer[bytes]:
        return self._answer(name, self.text_table.get(name, "missing"))

    def _answer(self, name: str, found: Any) -> Answer[Any]:
        if isinstance(found, Exception):
            raise found
        if isinstance(found, str):
            return Answer((), found, authentic=self._is_secure(name))
        return Answer(tuple(found), "found" if found else "empty", authentic=self._is_secure(name))

    def _is_secure(self, name: str) -> bool:
        return self.insecure is not None and name not in self.insecure


DNS_DOWN = TemporaryError(Reply(451, "4.4.3", "no answer from the DNS"))


@implementer(IBodyStore)
@dataclass
class Bodies:
    """Bodies of one repeated line, made as they are read."""

    line: bytes = b"." + b"x" * 61 + b"\r\n"
    lengths: list[int] = field(default_factory=list)
    missing: int | None = None

    async def read(self, body: Body, offset: int, size: int) -> bytes:
        size = min(size, body.size - offset)
        if self.missing is not None and offset >= self.missing:
            return b""
        self.lengths.append(size)
        start = offset % len(self.line)
        return (self.line * (size // len(self.line) + 2))[start : start + size]

    def writer(self) -> Any:
        raise NotImplementedError

    def remove(self, names: Any) -> Any:
        raise NotImplementedError


class Scene:
    """Hosts, a resolver, bodies, and an agent that knows them; everything is closed at the end."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.tables = Tables()
        self.bodies = Bodies()
        self.security = ClientTLS()
        self.timeouts = Timeouts()
        self.reach = Reach(allowed=parse_networks(["127.0.0.0/8"]))
        self.demands = Demands()
        self.secret: Callable[[str], str] = lambda source: f"secret of {source}"
        self.sessions: ITLSSessions | None = None
        self._dialers: list[Dialer] = []
        self._pools: list[Pool] = []
        self._ports: list[Any] = []
        self._hosts: list[ScriptedHost] = []

    def host(self, address: str = "127.0.0.1", port: int = 0, **options: Any) -> ScriptedHost:
        """Start a host; an address that begins with "/" is the path of a unix socket."""
        host = ScriptedHost(**options)
        factory = Factory.forProtocol(lambda: HostSession(host))
        if address.startswith("/"):
            listening = self.reactor.listenUNIX(address, factory)
        else:
            listening = self.reactor.listenTCP(port, factory, interface=address)
            host.port = listening.getHost().port
        self._ports.append(listening)
        self._hosts.append(host)
        return host

    def dialer(self, sources: Sources = NO_SOURCES) -> Dialer:
        outbound = Outbound("mail.example.org", self.timeouts, sources)
        dialer = Dialer(self.reactor, outbound, self.security, self.secret, self.sessions)
        self._dialers.append(dialer)
        return dialer

    def agent(self, reuse: Reuse, local: Mapping[str, IDeliveryAgent] | None = None) -> DeliveryAgent:
        pool = Pool(self.dialer(), self.reactor, reuse)
        self._pools.append(pool)
        return DeliveryAgent(pool, self.hosts(), self.bodies, local)

    def hosts(self) -> Hosts:
        return Hosts(self.tables, self.reach, Random(1), demands=self.demands)

    def deliver(
        self,
        message: Message,
        next_hop: NextHop,
        wanted: Callable[[Recipient], bool] = lambda _recipient: True,
    ) -> Awaitable[Sequence[Outcome]]:
        return self.agent(Reuse(messages=1)).deliver(message, message.envelope.recipients, next_hop, wanted)

    async def close(self) -> None:
        for pool in self._pools:
            await pool.close()
        for dialer in self._dialers:
            await dialer.close()
        for port in self._ports:
            await port.stopListening()
        for host in self._hosts:
            for session in host.sessions:
                session.transport.abortConnection()
                await session.gone


def message_to(
    *names: str,
    body: Body = InlineBody(TEXT),  # noqa: B008 - frozen
    sender_domain: str = "example.org",
    **parameters: Any,
) -> Message:
    """Return a message to some recipients at example.net."""
    recipients = tuple(Recipient(Address(name, "example.net")) for name in names)
    envelope = Envelope(Address("ann", sender_domain), recipients, **parameters)
    return Message(1, envelope, HEADER, body, Origin("local"), 0.0)
