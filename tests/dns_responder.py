"""A scripted name server for tests: in this process, on the real reactor, UDP and TCP on one port.

    responder.add("example.org", "MX", "10 mx1.example.org.", "20 mx2.example.org.")
    responder.missing("gone.example")
    responder.script("slow.example", silent, answer)     # first query: silence; from then on: the records

Names without records are NODATA when another type or a name below exists, else
NXDOMAIN, both with a SOA.  What was asked is in `responder.asked`.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol

from twistedmail_mta.dns.nameservers import Nameserver

SOA = "ns.invalid. root.invalid. 1 3600 900 604800 {minimum}"


@dataclass
class Asked:
    """A query that came in."""

    name: str
    rdtype: str
    over: str
    peer: tuple[str, int]
    message: dns.message.QueryMessage
    wire: bytes


Step = Callable[["Responder", Asked], "bytes | list[bytes] | None"]
"""What a script says to one query: packets to send, or nothing."""


def answer(responder: Responder, asked: Asked) -> bytes:
    """Answer from the records, truncated over UDP when they are too many."""
    reply = responder.respond(asked)
    return reply.to_wire(max_size=65535) if asked.over == "tcp" else reply.to_wire(prefer_truncation=True)


def silent(responder: Responder, asked: Asked) -> None:
    """Say nothing."""


def truncated(responder: Responder, asked: Asked) -> bytes:
    """Ask to be asked over TCP; over TCP answer in full."""
    if asked.over == "tcp":
        return answer(responder, asked)
    reply = dns.message.make_response(asked.message)
    reply.flags |= dns.flags.TC
    return reply.to_wire()


def rcode(code: str) -> Step:
    """Answer with an error, such as `rcode("SERVFAIL")`."""

    def step(responder: Responder, asked: Asked) -> bytes:
        reply = dns.message.make_response(asked.message)
        reply.set_rcode(dns.rcode.from_text(code))
        return reply.to_wire()

    return step


def wrong_id(responder: Responder, asked: Asked) -> bytes:
    """Answer in full under another id."""
    reply = responder.respond(asked)
    reply.id ^= 1
    return reply.to_wire()


def wrong_question(responder: Responder, asked: Asked) -> bytes:
    """Answer a question that was not asked, with the same id."""
    other = dns.message.make_query("other.example.", "A", id=asked.message.id)
    return dns.message.make_response(other).to_wire()


def garbage(responder: Responder, asked: Asked) -> bytes:
    """Repeat id and question, then send octets that are no records."""
    head = asked.wire[:2] + struct.pack("!HHHHH", 0x8180, 1, 3, 0, 0)
    return head + asked.wire[12:-11] + b"\xc0\x0c\xff\xff\x00" * 5


def noise(responder: Responder, asked: Asked) -> bytes:
    """Send what is no message at all."""
    return b"\x00"


def authentic(responder: Responder, asked: Asked) -> bytes:
    """Answer with the AD bit set, whether asked for or not."""
    reply = responder.respond(asked)
    reply.flags |= dns.flags.AD
    return reply.to_wire()


def elsewhere(responder: Responder, asked: Asked) -> None:
    """Answer in full, but from another port."""
    responder._stranger.write(answer(responder, asked), asked.peer)


def late(responder: Responder, asked: Asked) -> None:
    """Keep the answer back until `responder.release()`."""
    responder.held.append((answer(responder, asked), asked.peer))


def packets(*steps: Step) -> Step:
    """Send what each step makes, one packet after the other."""

    def step(responder: Responder, asked: Asked) -> list[bytes]:
        return [made for one in steps if isinstance(made := one(responder, asked), bytes)]

    return step


@dataclass
class Responder:
    """The server; `address` and `port` say where it is."""

    address: str = "127.0.0.1"
    port: int = 0
    ttl: int = 300
    negative_ttl: int = 60
    asked: list[Asked] = field(default_factory=list)
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    scripts: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    chases: bool = True
    held: list[tuple[bytes, tuple[str, int]]] = field(default_factory=list)
    _stranger: IListeningPort | None = None
    _ports: list[IListeningPort] = field(default_factory=list)
    _connections: set[Protocol] = field(default_factory=set)

    @property
    def nameserver(self) -> Nameserver:
        """Return the server as the resolver names it; trusted as a resolver on loopback is."""
        return Nameserver(self.address, self.port, trusted=True)

    def add(self, name: str, rdtype: str, *texts: str) -> None:
        """Add records in zone file notation."""
        self.records.setdefault((name.lower(), rdtype), []).extend(texts)

    def script(self, name: str, *steps: Step) -> None:
        """Take one step a query for `name`; the last one stays."""
        self.scripts[name.lower()] = list(steps)

    def start(self, reactor: object) -> None:
        """Listen; on a free port unless one is given."""
        for _ in range(20):
            datagrams = reactor.listenUDP(self.port, _Datagrams(self), self.address, 65535)
            port = datagrams.getHost().port
            factory = Factory.forProtocol(lambda: _Stream(self))
            factory.noisy = False
            try:
                stream = reactor.listenTCP(port, factory, interface=self.address)
            except CannotListenError:
                datagrams.stopListening()
                continue
            self.port = port
            stranger = reactor.listenUDP(0, _Datagrams(self), self.address)
            self._stranger = stranger
            self._ports = [datagrams, stream, stranger]
            return
        raise OSError("no port is free for both UDP and TCP")

    async def stop(self) -> None:
        """Close everything."""
        for connection in tuple(self._connections):
            connection.transport.abortConnection()
        for port in self._ports:
            await port.stopListening()
        self._ports = []

    def release(self) -> None:
        """Send the answers that `late` kept back, over UDP."""
        held, self.held = self.held, []
        for packet, peer in held:
            self._ports[0].write(packet, peer)

    def receive(self, wire: bytes, over: str, peer: tuple[str, int]) -> list[bytes]:
        """Return the packets to send for a query."""
        message = dns.message.from_wire(wire)
        question = message.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        asked = Asked(name, dns.rdatatype.to_text(question.rdtype), over, peer, message, wire)
        self.asked.append(asked)
        steps = self.scripts.get(name, [answer])
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        made = step(self, asked)
        return made if isinstance(made, list) else [made] if made is not None else []

    def respond(self, asked: Asked) -> dns.message.QueryMessage:
        """Return the answer that the records give."""
        reply = dns.message.make_response(asked.message, recursion_available=True)
        name = asked.name
        while (asked.rdtype != "CNAME") and (alias := self.records.get((name, "CNAME"))):
            reply.answer.append(self._rrset(name, "CNAME", alias))
            name = alias[0].rstrip(".").lower()
            if not self.chases:
                return reply
        if found := self.records.get((name, asked.rdtype)):
            reply.answer.append(self._rrset(name, asked.rdtype, found))
            return reply
        if not any(known == name or known.endswith("." + name) for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        zone = name.rpartition(".")[2]
        soa = dns.rrset.from_text(zone + ".", self.negative_ttl, "IN", "SOA", SOA.format(minimum=self.negative_ttl))
        reply.authority.append(soa)
        return reply

    def _rrset(self, name: str, rdtype: str, texts: list[str]) -> dns.rrset.RRset:
        return dns.rrset.from_text(name + ".", self.ttl, "IN", rdtype, *texts)


class _Datagrams(DatagramProtocol):
    noisy = False

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:  # noqa: N802
        for packet in self._responder.receive(datagram, "udp", addr):
            self.transport.write(packet, addr)


class _Stream(Protocol):
    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._received = b""

    def connectionMade(self) -> None:  # noqa: N802
        self._responder._connections.add(self)

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        self._responder._connections.discard(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._received += data
        size = int.from_bytes(self._received[:2], "big")
        if len(self._received) >= size + 2 > 2:
            query, self._received = self._received[2 : size + 2], self._received[size + 2 :]
            peer = self.transport.getPeer()
            for packet in self._responder.receive(query, "tcp", (peer.host, peer.port)):
                self.transport.write(len(packet).to_bytes(2, "big") + packet)
