"""Calling a host: a connection, a session on it, TLS and login; and why when that fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final
from weakref import WeakSet

from twisted.internet import error
from twisted.internet.interfaces import IAddress, IConnector, IReactorTCP, IReactorTime, IReactorUNIX
from twisted.internet.protocol import ClientFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedmail_mta.deliver.connection import ClientProtocol, Timeouts
from twistedmail_mta.deliver.demand import Demand
from twistedmail_mta.deliver.sources import Source, Sources
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.deliver.tls_results import came_to_tls, failure_of, is_counted, policy_of
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ITLSSessions
from twistedmail_mta.model import NextHop, RelayLogin, Reply, TLSLevel
from twistedmail_mta.observe.figures import Counts
from twistedmail_mta.observe.labels import version_of
from twistedmail_mta.sasl.client import Credentials
from twistedmail_mta.smtp.client import ClientSession
from twistedmail_mta.tasks import Cancelled
from twistedmail_mta.tls.client import ClientTLS, ConnectionCreator

NO_PROOF: Final = Reply(451, "4.7.5", "The host did not prove its identity")
_OF_TLS: Final = ("4.7.4", "4.7.5")
"""Statuses of failures that a demand has caused."""
NO_PASSWORD: Final = Reply(451, "4.3.5", "The password for the next hop can't be read")


class IReactorDelivery(IReactorTCP, IReactorUNIX, IReactorTime):
    """What of the reactor a delivery uses."""


class TLSBroken(TemporaryError):
    """The host offers TLS but the handshake failed."""


class Unproven(TemporaryError):
    """The host can be reached, but doesn't show what the recipient's domain, or the host's own, says it would."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """How we appear to other hosts and how long we wait for them.

    Attributes:
        hostname: our name for EHLO.
        timeouts: the time limits.
        sources: where connections come from.
    """

    hostname: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    sources: Sources = field(default_factory=Sources)


class Dialer:
    """Opens sessions with hosts, secured and logged in as the next hop demands.

    Attributes:
        opened: how many sessions could be used, by the version of TLS.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        reactor: IReactorDelivery,
        outbound: Outbound,
        security: ClientTLS,
        secret: Callable[[str], str],
        sessions: ITLSSessions | None = None,
    ) -> None:
        """Make a dialer.

        Args:
            reactor: where connections live.
            outbound: how we appear to others.
            security: makes TLS connections.
            secret: reads a password from its source; may raise OSError or ValueError.
            sessions: counts how TLS went; None: nobody does.
        """
        self._reactor = reactor
        self._outbound = outbound
        self._security = security
        self._secret = secret
        self._sessions = sessions
        self.opened = Counts()
        self._connections: WeakSet[ClientProtocol] = WeakSet()

    def source(self, target: Target, originator: str) -> Source | None:
        """Return where a connection would come from, or None for the system's choice."""
        return self._outbound.sources.source(target.address, originator)

    async def call(
        self, next_hop: NextHop, target: Target, source: Source | None = None, *, counted: bool = True
    ) -> ClientProtocol:
        """Return a connection with a session that is ready for a transaction.

        Where TLS is opportunistic and nothing secret is sent, a broken
        handshake is followed by a second connection, in clear.

        Args:
            next_hop: how it wants to be spoken to.
            target: which of its hosts.
            source: where the connection comes from.
            counted: how TLS went is told to who counts that, if the next hop's domain may want to know.

        Raises:
            TemporaryError: there is none, and why.
        """
        counted = counted and self._sessions is not None and is_counted(next_hop)
        try:
            return await self._open(next_hop, target, source, _level(next_hop, target), counted=counted)
        except TLSBroken as broken:
            if not _may_be_clear(next_hop, target):
                raise
            self.log.info(
                "TLS with {remote} failed, trying in clear: {reply}",
                remote=str(target),
                reply=str(broken.reply),
                event="deliver.tls.failed",
            )
        return await self._open(next_hop, target, source, "none")

    async def close(self) -> None:
        """Hang up on every connection, also those that only wait for the answer to QUIT."""
        connected = [protocol for protocol in self._connections if protocol.connected]
        for protocol in connected:
            protocol.abort()
        for protocol in connected:
            await protocol.gone

    async def _open(
        self, next_hop: NextHop, target: Target, source: Source | None, tls: TLSLevel, *, counted: bool = False
    ) -> ClientProtocol:
        protocol = self._protocol(next_hop, target, source, tls)
        try:
            await self._connect(target, source, protocol)
            failure = await protocol.open()
        except Cancelled:
            protocol.abort()
            raise
        if counted:
            self._count(next_hop, target, protocol)
        demand = target.demand
        if failure is None and demand is not None:
            failure = _shortcoming(protocol, demand)
            self._log_testing(target, demand, protocol)
        if failure is None:
            self.opened.add((version_of(protocol.tls),))
            return protocol
        protocol.finish()
        if demand is not None and demand.is_strict and failure.status in _OF_TLS:
            raise Unproven(Reply(failure.code, failure.status, f"{demand.by}: {failure.text}"))
        raise TLSBroken(failure) if protocol.session.is_unproven else TemporaryError(failure)

    def _count(self, next_hop: NextHop, target: Target, protocol: ClientProtocol) -> None:
        """Have it counted how TLS went in a session that has begun, or come to nothing."""
        if self._sessions is not None and came_to_tls(protocol.session):
            failure = failure_of(protocol, target)
            self._sessions.note(next_hop.host, policy_of(next_hop, target.demand), failure)

    def _log_testing(self, target: Target, demand: Demand, protocol: ClientProtocol) -> None:
        """Say what would be refused if the policy weren't tried out only (RFC 8461 section 5)."""
        if demand.is_strict or protocol.security.proven or not demand.proves:
            return
        self.log.info(
            "{remote} isn't what the {by} policy of its domain says, which is only tested: {problem}",
            remote=str(target),
            by=demand.by,
            problem=protocol.security.problem or "it offers no TLS",
            event="deliver.tls.testing",
        )

    def _protocol(self, next_hop: NextHop, target: Target, source: Source | None, tls: TLSLevel) -> ClientProtocol:
        session = ClientSession(
            (source and source.hostname) or self._outbound.hostname,
            str(target),
            tls=tls,
            encrypted=next_hop.implicit_tls,
            credentials=self._credentials(next_hop.login),
            lmtp=next_hop.lmtp,
        )
        security = self._securing(target, tls)
        protocol = ClientProtocol(session, security, self._reactor, self._outbound.timeouts)
        self._connections.add(protocol)
        return protocol

    def _securing(self, target: Target, tls: TLSLevel) -> ConnectionCreator:
        demand = target.demand
        if demand is None:
            return self._security.connection_to(target.host, verify=tls == "required")
        if demand.records:
            return self._security.connection_by_records(demand.server_name, demand.records, demand.names)
        return self._security.connection_to(target.host, verify=demand.proves, strict=demand.is_strict)

    def _credentials(self, login: RelayLogin | None) -> Credentials | None:
        if login is None:
            return None
        try:
            return Credentials(login.user, self._secret(login.password_source))
        except (OSError, ValueError) as problem:
            self.log.warn(
                "password for the login {user!r} can't be read: {problem}",
                user=login.user,
                problem=str(problem),
                event="deliver.password.unreadable",
            )
            raise TemporaryError(NO_PASSWORD) from None

    async def _connect(self, target: Target, source: Source | None, protocol: ClientProtocol) -> None:
        connector = self._connector(target, source, _Dialling(protocol))
        try:
            await protocol.made
        except Cancelled:
            connector.disconnect()
            raise

    def _connector(self, target: Target, source: Source | None, dialling: _Dialling) -> IConnector:
        limit = self._outbound.timeouts.connect
        if target.is_socket:
            return self._reactor.connectUNIX(target.address, dialling, limit)
        bind = None if source is None else (source.address, 0)
        return self._reactor.connectTCP(target.address, target.port, dialling, limit, bind)


class _Dialling(ClientFactory):
    """Waits for one connection."""

    noisy = False

    def __init__(self, protocol: ClientProtocol) -> None:
        self._protocol: ClientProtocol | None = protocol

    def buildProtocol(self, addr: IAddress | None) -> ClientProtocol | None:  # noqa: ARG002, N802 - Twisted's name
        protocol, self._protocol = self._protocol, None  # its transport refers to us
        return protocol

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:  # noqa: ARG002, N802 - Twisted's name
        if self._protocol is not None:
            self._protocol.made.fail(TemporaryError(Reply(451, "4.4.1", _why(reason.value))))


def _level(next_hop: NextHop, target: Target) -> TLSLevel:
    """Return what is demanded of STARTTLS."""
    return "required" if target.demand is not None and target.demand.is_strict else next_hop.tls


def _may_be_clear(next_hop: NextHop, target: Target) -> bool:
    """Return whether a host whose TLS is broken gets the mail in clear."""
    return _level(next_hop, target) == "opportunistic" and not next_hop.implicit_tls and next_hop.login is None


def _shortcoming(protocol: ClientProtocol, demand: Demand) -> Reply | None:
    """Return why an open session doesn't do: no octet of mail goes to a host that didn't prove what it had to."""
    security = protocol.security
    if demand.is_strict and demand.proves and not security.proven:
        return NO_PROOF
    protocol.session.proof = demand.by if security.proven else ""
    return None


def _why(problem: BaseException | None) -> str:
    if isinstance(problem, error.ConnectionRefusedError):
        return "The host refuses connections"
    if isinstance(problem, (error.TimeoutError, error.TCPTimedOutError)):
        return "The host does not answer"
    if isinstance(problem, error.ConnectError) and isinstance(problem.osError, int):
        return f"No connection to the host: {os.strerror(problem.osError)}"
    return "No connection to the host"
