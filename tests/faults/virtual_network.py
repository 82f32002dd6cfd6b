"""A network in virtual time whose connections meet random faults; it knows which answers were heard."""

# ruff: noqa: N802, N803 - Twisted's names

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorFromThreads,
    IReactorTCP,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from virtual_time import VirtualClock
from zope.interface import implementer

FAULTS = (
    "refuse",
    "hang",
    "cut",
    "cut before the answer",
    "cut in the answer",
    "cut after the answer",
    "fall silent",
    "silent before the answer",
    "garbage",
    "slow",
    "crumbs",
)
"""What can befall a connection.  "The answer" is the one to a whole message."""
GARBAGE = (b"\x00\xff\xfe\r\n", b"2\r\n", b"999 what?\r\n", b"354 well\r\n" * 3, b"421 4.3.2 going down\r\n")
_ANSWER = re.compile(rb"250 [^\r\n]*queued as (\w+)\r\n")
_NO_END = 1 << 40


@dataclass
class Fate:
    """What becomes of one connection.

    Attributes:
        fault: one of `FAULTS`, or "none".
        after: the octets, in both directions together, after which that begins.
    """

    fault: str = "none"
    after: int = _NO_END


class Network:
    """All hosts and what is between them.

    Attributes:
        clock: the time that all hosts share.
        misfortune: the share of connections that meet a fault.
        sudden: the share of commits that a process doesn't live to hear of.
        hosts: who is at each address; whoever is not there doesn't answer.
        unreachable: addresses that nobody gets through to.
        heard: the ids of messages whose answer reached a living sender whole.
        met: how often each fault was met.
    """

    def __init__(self, seed: str, start: float) -> None:
        self.clock = VirtualClock(start)
        self.random = Random(seed)
        self.misfortune = self.sudden = 0.0
        self.hosts: dict[str, Machine] = {}
        self.unreachable: set[str] = set()
        self.heard: set[str] = set()
        self.met: Counter[str] = Counter()
        self._ports = iter(range(20_000, _NO_END))

    def cut_off(self, address: str) -> None:
        """Let nobody through to an address, and cut the connections it has."""
        self.unreachable.add(address)
        if address in self.hosts:
            self.hosts[address].hang_up()

    def let_through(self, address: str) -> None:
        """End a `cut_off`."""
        self.unreachable.discard(address)

    def fate(self) -> Fate:
        """Return what becomes of the next connection."""
        if self.random.random() >= self.misfortune:
            return Fate()
        return Fate(self.random.choice(FAULTS), self.random.choice((0, 30, 100, 250, 500, 1000, 3000)))

    def delay(self) -> float:
        """Return how long octets take."""
        return self.random.uniform(0.001, 0.05)

    def new_port(self) -> int:
        """Return a port that was never used."""
        return next(self._ports)


@implementer(IReactorTime, IReactorTCP, IReactorFromThreads)
class Machine:
    """One run of a host, from its start to its death; the reactor of the program on it.

    Once it is dead, nothing that it began is gone on with.

    Attributes:
        disk: what outlives it.
        dead: whether it has ended.
        ends: its connections.
        at_end: what the system does when it ends, such as closing files.
        fall: ends it when nobody expects it.
    """

    def __init__(
        self, network: Network, address: str, disk: Any = None, fall: Callable[[], None] = lambda: None
    ) -> None:
        self.network = network
        self.address = address
        self.disk = disk
        self.fall = fall
        self.dead = False
        self.ends: dict[End, None] = {}
        self.at_end: list[Callable[[], None]] = []
        self._listening: dict[int, Any] = {}
        network.hosts[address] = self

    def die(self) -> None:
        """End as by a power cut: no goodbye, no clearing up."""
        self.dead = True
        del self.network.hosts[self.address]
        self.hang_up()
        for call in self.at_end:
            call()

    def hang_up(self) -> None:
        """Lose every connection."""
        for end in tuple(self.ends):
            end.link.cut()

    def listen(self, port: int, factory: Any) -> None:
        """Serve a port."""
        self._listening[port] = factory

    def service(self, port: int) -> Any:
        """Return the factory that serves a port, or None."""
        return self._listening.get(port)

    def seconds(self) -> float:
        return self.network.clock.seconds()

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any, **kwargs: Any) -> IDelayedCall:
        return self.network.clock.callLater(delay, self._unless_dead, call, args, kwargs)

    def callFromThread(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.callLater(0, call, *args, **kwargs)

    def _unless_dead(self, call: Callable[..., Any], args: Any, kwargs: Any) -> None:
        if not self.dead:
            call(*args, **kwargs)

    def getDelayedCalls(self) -> Any:
        return [call for call in self.network.clock.getDelayedCalls() if not self.dead]

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> Any:
        return Connecting(self, host, port, factory, timeout)

    def listenTCP(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


class Connecting:
    """An attempt to connect; Twisted's connector as far as it is used."""

    def __init__(self, machine: Machine, host: str, port: int, factory: Any, timeout: float) -> None:
        self._machine, self._host, self._port, self._factory = machine, host, port, factory
        self._ended = False
        network = machine.network
        fate = network.fate()
        network.met[fate.fault] += 1
        if fate.fault == "hang" or host not in network.hosts or host in network.unreachable:
            machine.callLater(timeout, self._fail, error.TimeoutError())
        elif fate.fault == "refuse" or network.hosts[host].service(port) is None:
            machine.callLater(network.delay(), self._fail, error.ConnectionRefusedError())
        else:
            machine.callLater(network.delay(), self._connect, fate)

    def disconnect(self) -> None:
        """Give up, as long as there is no connection."""
        self._fail(error.UserError())

    def _fail(self, problem: Exception) -> None:
        if not self._ended:
            self._ended = True
            self._factory.clientConnectionFailed(self, Failure(problem))

    def _connect(self, fate: Fate) -> None:
        far = self._machine.network.hosts.get(self._host)
        if self._ended or far is None:
            self._fail(error.ConnectionRefusedError())
            return
        self._ended = True
        Link(self._machine, far, self._port, fate).open(self._factory)


class Link:
    """An open connection: two ends, and what happens between them."""

    def __init__(self, near: Machine, far: Machine, port: int, fate: Fate) -> None:
        self._network = near.network
        self._port = port
        self._fate = fate
        self._carried = 0
        self._silent = False
        here = IPv4Address("TCP", near.address, near.network.new_port())
        there = IPv4Address("TCP", far.address, port)
        self.client, self.server = End(self, near, here, there), End(self, far, there, here)

    def open(self, factory: Any) -> None:
        """Give both ends a protocol."""
        self._network.clock.callLater(self._network.delay(), self._accept)
        self.client.begin(factory.buildProtocol(self.server.address))

    def _accept(self) -> None:
        if self.server.machine.dead or self.server.lost:
            self.cut()
        else:
            self.server.begin(self.server.machine.service(self._port).buildProtocol(self.client.address))

    def other(self, end: End) -> End:
        """Return who is at the other end."""
        return self.server if end is self.client else self.client

    def carry(self, sender: End, data: bytes) -> None:
        """Take octets to the other end, or let the fault happen."""
        if self._silent:
            return
        self._carried += len(data)
        if self._meets(sender, data):
            self._happen(sender, data)
        elif self._fate.fault == "crumbs":
            for crumb in self._crumbs(data):
                self._send(sender, crumb)
        else:
            self._send(sender, data)

    def _meets(self, sender: End, data: bytes) -> bool:
        if "answer" in self._fate.fault:
            return sender is self.server and _ANSWER.search(data) is not None
        if self._fate.fault == "garbage":
            return sender is self.server and self._carried > self._fate.after
        return self._fate.fault in {"cut", "fall silent"} and self._carried > self._fate.after

    def _happen(self, sender: End, data: bytes) -> None:
        fault, random = self._fate.fault, self._network.random
        if fault == "garbage":
            self._fate = Fate()
            self._send(sender, random.choice(GARBAGE))
            return
        if fault == "cut after the answer":
            self._send(sender, data)
        elif fault in {"cut", "cut in the answer"}:
            self._send(sender, data[: random.randrange(len(data))])
        self._silent = True
        if fault.startswith("cut"):
            self._network.clock.callLater(0.1, self.cut)

    def _crumbs(self, data: bytes) -> list[bytes]:
        places = sorted(self._network.random.sample(range(len(data) + 1), min(4, len(data))))
        return [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True) if begin < end]

    def _send(self, sender: End, data: bytes) -> None:
        delay = self._network.delay()
        if self._fate.fault == "slow":
            delay += self._network.random.choice((0, 0, 0, 2, 20))
        self.other(sender).expect(delay, data)

    def close(self, sender: End) -> None:
        """Close in order: what was said before arrives."""
        self._network.clock.callLater(0, sender.lose, error.ConnectionDone())
        if not self._silent:
            self.other(sender).expect(self._network.delay(), b"")

    def cut(self) -> None:
        """Break: both ends notice."""
        for end in (self.client, self.server):
            self._network.clock.callLater(self._network.delay(), end.lose, error.ConnectionLost())

    def note_heard(self, octets: bytes) -> None:
        """Note the answers that a client has read."""
        self._network.heard.update(found.decode() for found in _ANSWER.findall(octets))


@implementer(ITCPTransport, IConsumer, IPushProducer)
class End:
    """One end of a connection, the transport of the protocol there."""

    disconnecting = False

    def __init__(self, link: Link, machine: Machine, address: IPv4Address, peer: IPv4Address) -> None:
        self.link, self.machine, self.address = link, machine, address
        self.lost = False
        self._peer = peer
        self._protocol: Protocol | None = None
        self._arrived: deque[bytes] = deque()
        self._latest = 0.0
        self._paused = False
        self._line = b""
        machine.ends[self] = None

    def begin(self, protocol: Protocol | None) -> None:
        """Connect a protocol; none means that nobody is let in."""
        if protocol is None:
            self.abortConnection()
            return
        self._protocol = protocol
        protocol.makeConnection(self)
        self._hand_over()

    def expect(self, delay: float, data: bytes) -> None:
        """Let octets arrive, after those that are under way; none: the end."""
        clock = self.link.client.machine.network.clock
        self._latest = max(self._latest, clock.seconds() + delay)
        clock.callLater(self._latest - clock.seconds(), self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        self._arrived.append(data)
        self._hand_over()

    def _hand_over(self) -> None:
        while self._arrived and self._protocol is not None and not (self._paused or self.lost or self.machine.dead):
            data = self._arrived.popleft()
            if not data:
                self.lose(error.ConnectionDone())
            elif not self.disconnecting:
                self._read(self._protocol, data)

    def _read(self, protocol: Protocol, data: bytes) -> None:
        protocol.dataReceived(data)
        if self is self.link.client:
            self._line = (self._line + data)[-200:]
            self.link.note_heard(self._line)

    def lose(self, problem: Exception) -> None:
        """Tell the protocol of the end, once."""
        if self.lost:
            return
        self.lost = True
        self.machine.ends.pop(self, None)
        if self._protocol is not None and not self.machine.dead:
            self._protocol.connectionLost(Failure(problem))

    def write(self, data: bytes) -> None:
        if data and not (self.lost or self.disconnecting or self.machine.dead):
            self.link.carry(self, bytes(data))

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        if not (self.lost or self.disconnecting or self.machine.dead):
            self.disconnecting = True
            self.link.close(self)

    def abortConnection(self) -> None:
        if not (self.lost or self.machine.dead):
            self.disconnecting = True
            self.link.close(self)

    def loseWriteConnection(self) -> None:
        self.loseConnection()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self.machine.callLater(0, self._hand_over)

    def stopProducing(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Nobody is ever asked to produce less."""

    def unregisterProducer(self) -> None:
        """See `registerProducer`."""

    def getPeer(self) -> IPv4Address:
        return self._peer

    def getHost(self) -> IPv4Address:
        return self.address

    def getTcpKeepAlive(self) -> bool:
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Nothing is kept alive here."""

    def getTcpNoDelay(self) -> bool:
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing is delayed here."""
