r"""A listener in memory that asks plugins, and clients that talk to it.

It is the server's own: commands, order, limits and what comes of the plugins'
answers are as in the real one.  What stands behind it is small: addresses at
`home.test` are kept here whatever they are, mail for `relayed.test` is sent on,
and whoever logs in with the password "secret" may send as himself.

    site = Site(rig)
    session = site.connect(host="192.0.2.7")
    assert session.mail("ann@sender.test", "bob@home.test", text="Subject: hi\n\ntext\n").startswith("250")
    (accepted,) = site.accepted
    assert accepted.mailboxes == {"bob@home.test": "Junk"}
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.testing import StringTransportWithDisconnection

from twistedmail_mta.config.limits import ListenerLimits
from twistedmail_mta.config.roles import ROLES, RoleName
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.model import Reply, Via
from twistedmail_mta.networks import LOOPBACK, parse_networks
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.policy.observing import Observation
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.receive.factory import ServerFactory
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.presence import Presence
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.stages import GRANTS, Leaving
from twistedmail_mta.tasks import TaskGroup
from twistedmail_mta.testing.behind import Acceptance, Accepted, Directory, Logins, NothingFiltered, Room
from twistedmail_mta.testing.bodies import MemoryBodies
from twistedmail_mta.testing.rig import Asked as Question
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.values import wire

T = TypeVar("T")

LIMITS: Final = ListenerLimits(
    message_size=50 << 20,
    header_size=1 << 20,
    line_length=1 << 20,
    recipients=100,
    connections_per_client=100,
    commands=1000,
    errors_before_delay=100,
    errors=100,
    hops=50,
    idle=300.0,
    transaction=3600.0,
)


class Site:
    """One listener, and the plugins it asks.

    Attributes:
        accepted: what was taken, in order.
        clock: the plugins' own.
    """

    def __init__(  # noqa: PLR0913 - all by name, and all may be left out
        self,
        *rigs: Rig,
        relay: Sequence[Rig] = (),
        role: RoleName = "mx",
        kept: Sequence[str] = ("home.test",),
        relayed: Sequence[str] = ("relayed.test",),
        senders: Mapping[str, Sequence[str]] | None = None,
        hostname: str = "mail.example.org",
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        """Open a listener.

        Args:
            rigs: the plugins that the listener names, in their order; all share their surroundings.
            relay: those that [relay] names.
            role: of the listener.
            kept: domains whose mail is kept here.
            relayed: domains whose mail is sent on.
            senders: what else logins may send as.
            hostname: ours.
            limits: of the listener, where they differ from `LIMITS`.
        """
        everybody = (*rigs, *relay)
        if not everybody:
            raise ValueError("a site is there for plugins to be asked")
        around = everybody[0].surroundings
        if any(rig.surroundings is not around for rig in everybody):
            raise ValueError("plugins that meet share their surroundings")
        self.accepted: list[Accepted] = []
        self.clock = around.clock
        self._tasks, self._ids = TaskGroup(), iter(range(1, 1 << 60))
        pipeline = Pipeline([rig.running for rig in rigs], self.clock)
        logins = Logins(senders or {})
        self._factory = ServerFactory(Crowd(1000))
        self._serve(
            Listener(
                name=role,
                role=ROLES[role],
                hostname=hostname,
                limits=replace(LIMITS, **(limits or {})),
                tls=None,
                implicit_tls=False,
                plaintext_login=parse_networks(["0.0.0.0/0", "::/0"]),
                strict=False,
                hide_client=False,
                vrfy="never",
                admission=Admission(dict.fromkeys(relayed), Directory(kept), None),
                quotas=Room(),
                authenticator=logins,
                logins=logins,
                acceptance=Acceptance(self.accepted),
                bodies=MemoryBodies(),
                database=around.database,
                new_id=lambda: next(self._ids),
                now=around.now,
                offset=lambda _: 0,
                clock=self.clock,
                tasks=self._tasks,
                plugins=pipeline,
                trusted=LOOPBACK if ROLES[role].takes_back else None,
                filtered_mail=NothingFiltered(),
                grants=Pipeline([rig.running for rig in relay], self.clock, GRANTS),
                stored=Observation(pipeline, self._tasks).stored,
                shortage=lambda: None,
            )
        )

    def _serve(self, listener: Listener) -> None:
        self._listener = listener
        self._factory.serve(listener)

    def reload(self, *rigs: Rig) -> None:
        """Let clients that connect from now on ask other plugins; those that are there go on with theirs."""
        pipeline = Pipeline([rig.running for rig in rigs], self.clock)
        stored = Observation(pipeline, self._tasks).stored
        self._serve(replace(self._listener, plugins=pipeline, stored=stored, presence=Presence()))

    def connect(self, host: str = "192.0.2.1", account: str | None = None, helo: str = "client.test") -> Session:
        """Let a client connect.

        Args:
            host: its address.
            account: as whom it logs in before its first mail; None: it doesn't.
            helo: what it calls itself.
        """
        protocol = self._factory.buildProtocol(None)
        if protocol is None:
            raise RuntimeError("the listener doesn't serve")
        transport = _Transport(host)
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return Session(self, transport, account, helo)

    def routed(
        self, accepted: Accepted, routes: Mapping[str, str] | None = None, attempts: int = 0
    ) -> dict[str, Via | Reply | None]:
        """Ask the plugins which way the copies go that the queue has, as it does before each attempt.

        Args:
            accepted: one of `accepted`; its recipients whose next hop was chosen already are left out.
            routes: where copies would go otherwise, by recipient; by MX where nothing is said.
            attempts: how often it was tried before.

        Returns:
            For each recipient another way, the refusal, or None.
        """
        answers: dict[str, Via | Reply | None] = {}
        for recipient in (each for each in accepted.recipients if each not in accepted.ways):
            address = parse_address(recipient)
            route = (routes or {}).get(recipient, address.domain)
            sender, account = parse_address(accepted.sender), accepted.account
            leaving = Leaving(accepted.id, sender, address, account, attempts, route, accepted.tags)
            answers[recipient] = self._answer(Question(self._listener.plugins.way(leaving)))
        return answers

    def _answer(self, question: Question[T]) -> T:
        for _ in range(600):
            if question.done:
                break
            self.clock.advance(0.1)
        return question.answer


class _Transport(StringTransportWithDisconnection):
    """A client's connection."""

    def __init__(self, host: str) -> None:
        kind = IPv6Address if ":" in host else IPv4Address
        super().__init__(peerAddress=kind("TCP", host, 54321))

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """Nothing is delayed here."""

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close at once."""
        self.loseConnection()


class Session:
    """A client that types lines, and reads the answers.

    Attributes:
        greeting: what it was told when it connected.
    """

    def __init__(self, site: Site, transport: _Transport, account: str | None, helo: str) -> None:
        self._site = site
        self._transport = transport
        self._account = account
        self._helo = helo
        self._has_met = False
        self.greeting = self.said()

    def said(self) -> str:
        """Return what the server has said since the last look."""
        text: str = self._transport.value().decode()
        self._transport.clear()
        return text

    def type(self, *lines: str) -> str:
        """Send lines, one after another, each when the last is answered; return the last answer."""
        answer = ""
        for line in lines:
            answer = self.send(line.encode() + b"\r\n")
        return answer

    def send(self, octets: bytes) -> str:
        """Send octets; return the answer, for which as much time passes as it needs, up to a minute."""
        self._transport.protocol.dataReceived(octets)
        said = self.said()
        for _ in range(600):
            if said or not self.connected:
                break
            self._site.clock.advance(0.1)
            said = self.said()
        return said

    def mail(self, sender: str, *recipients: str, text: str | bytes = "Subject: hi\r\n\r\ntext\r\n") -> str:
        """Send a message; return the last answer, whatever was refused.

        A recipient that is refused is left out; where none is taken, the
        answer is the last refusal.
        """
        if not self._has_met:
            answer = self.type(f"EHLO {self._helo}", *self._login())
            if not answer.startswith("2"):
                return answer
            self._has_met = True
        answer = self.type(f"MAIL FROM:<{sender}>")
        if not answer.startswith("250"):
            return answer
        answers = [self.type(f"RCPT TO:<{recipient}>") for recipient in recipients]
        if not any(answer.startswith("250") for answer in answers):
            self.type("RSET")
            return answers[-1]
        self.type("DATA")
        return self.send(_stuffed(wire(text)) + b".\r\n")

    def _login(self) -> Sequence[str]:
        if self._account is None:
            return ()
        return ("AUTH PLAIN " + base64.b64encode(f"\0{self._account}\0secret".encode()).decode(),)

    @property
    def connected(self) -> bool:
        """Whether the server has let the connection be."""
        return bool(self._transport.connected)

    def hang_up(self) -> None:
        """Go away."""
        self._transport.loseConnection()


def _stuffed(octets: bytes) -> bytes:
    """Return a message as it is sent (RFC 5321 section 4.5.2)."""
    dotted = octets.replace(b"\r\n.", b"\r\n..")
    return (b"." if octets.startswith(b".") else b"") + dotted + (b"" if octets.endswith(b"\r\n") else b"\r\n")
