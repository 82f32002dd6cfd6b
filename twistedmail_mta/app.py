"""A site as a service: ports first, then everything behind them, and an orderly end."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.logger import Logger, globalLogPublisher

from twistedmail_mta.access.factory import AccessFactory
from twistedmail_mta.access.imap.conversation import IMAPConversation
from twistedmail_mta.access.pop3_conversation import POP3Conversation
from twistedmail_mta.composition.measuring import BUSY, Measuring
from twistedmail_mta.composition.parts import IReactorSite, Parts
from twistedmail_mta.composition.reloading import Reloaded, Turns
from twistedmail_mta.composition.remembering import demand_known_history
from twistedmail_mta.composition.settings import release
from twistedmail_mta.config.endpoints import widened
from twistedmail_mta.config.listening import ListenTable
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.site import Site
from twistedmail_mta.config.trial import ACCOUNT, Trial
from twistedmail_mta.control.lock import AlreadyRunningError
from twistedmail_mta.control.server import CommandError, ControlServer
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.deliver.providers import shipped_providers
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.observe.tally import EventTally
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.plugins import PluginError
from twistedmail_mta.receive.factory import ServerFactory
from twistedmail_mta.site_commands import SiteCommands
from twistedmail_mta.store.schema import SchemaError, UnusableDatabase
from twistedmail_mta.tasks import Cancelled, TaskGroup, deferred_of, promise_of, sleep
from twistedmail_mta.tls.certificates import CertificateError
from twistedmail_mta.web.serving import Answer, WebFactory

FINISH_WITHIN: Final = 10.0
"""Seconds that sessions have to finish the message they are at when the server stops."""
FINISH_STEP: Final = 0.05
CLAIMS_EVERY: Final = 60.0
ORPHANS_EVERY: Final = 3600.0
KEYS_EVERY: Final = 600.0
"""Seconds between two looks at DKIM keys: whether the DNS shows new ones, and whether old ones are due."""
CERTIFICATES_EVERY: Final = 30.0
"""Seconds between two looks whether certificates are to be asked for."""
REPORTS_EVERY: Final = 60.0
"""Seconds between two looks for reports to other domains that are due."""
HISTORY_EVERY: Final = 60.0
"""Seconds between two looks for what of the history is too old, where no mail comes."""
EXPIRE_EVERY: Final = 600.0
"""Seconds between two looks for what has been in quarantine long enough; fewer where that isn't long."""
EXPIRY_STEP: Final = 1.0
INBOXES_EVERY: Final = 5.0
"""Seconds between two looks for mail with reports of others: one read where there is none."""


class SiteService(Service):
    """Everything one site file asks for, from start to stop.

    Ports are bound while the process is privileged; files are opened after it
    has given that up.  Clients that come between wait in the backlog.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        reactor: IReactorSite,
        site: Site,
        trial: Trial | None = None,
        note_failure: Callable[[], object] = lambda: None,
        read: Callable[[], Site] | None = None,
    ) -> None:
        """Prepare a site.

        Args:
            reactor: drives it.
            site: what the site file says.
            trial: of the trial site.
            note_failure: called when it turns out that the site can't be started, before the reactor is stopped.
            read: reads the site file again, and raises ConfigError; None: it is as it was.
        """
        self._reactor = reactor
        self._site = site
        self._trial = trial
        self._note_failure = note_failure
        self._read = read or (lambda: site)
        self._crowd = Crowd(site.limits.connections)
        self._factories = {name: _factory(table, self._crowd, reactor) for name, table in site.listen.items()}
        self._ports: list[tuple[str, IListeningPort]] = []
        self._tasks = TaskGroup()
        self._parts: Parts | None = None
        self._readings = Turns(self._reload)
        self._tally = EventTally(shipped_providers().of)
        self._measuring: Measuring | None = None
        self.commands = SiteCommands(
            lambda: self._parts, lambda: self._measuring, self._readings, release(), time.time()
        )
        self._control = ControlServer(reactor, site.server.state_dir, release(), self.commands.by_name, self._tasks)
        self._serving = self._stale = False

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Bind every port; nobody is served yet.

        Raises:
            SystemExit: one of them can't be had.
        """
        super().privilegedStartService()
        problems: list[str] = []
        self._tasks.start("site.bind", self._bind(problems))
        if problems:
            raise SystemExit("\n".join(problems))

    async def _bind(self, problems: list[str]) -> None:
        for name, text in self._endpoints():
            try:
                port = await promise_of(serverFromString(self._reactor, text).listen(self._factories[name]))
            except (CannotListenError, OSError) as error:
                problems.append(f"mta: listen.{name} can't listen on {text}: {error}")
            except (IndexError, KeyError):
                problems.append(f"mta: listen.{name}: systemd gave no such socket: {text}; see etc/mta.socket")
            else:
                _stop_accepting(port)
                self._ports.append((name, port))

    def _endpoints(self) -> Iterator[tuple[str, str]]:
        ipv6 = _has_ipv6()
        dual = ipv6 and _is_dual()
        for name, table in self._site.listen.items():
            for text in table.endpoint:
                for wanted in widened(text, ipv6=ipv6, dual=dual):
                    yield name, wanted

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Open the files and begin to serve.

        Raises:
            SystemExit: the state directory can't be used.
        """
        super().startService()
        bound = {getattr(port.getHost(), "host", "") for _, port in self._ports}
        try:
            self._control.lock()
            demand_known_history(self._site)
            parts = Parts(self._reactor, self._site, bound - {"", "0.0.0.0", "::"})  # noqa: S104 - left out
        except (
            *(AlreadyRunningError, CertificateError, SchemaError, UnusableDatabase),
            *(PluginError, OSError, ValueError),
        ) as error:
            raise SystemExit(f"mta: {error}") from error
        self._parts = parts
        self._measuring = Measuring(self._reactor, parts, self._tally, self._sessions)
        globalLogPublisher.addObserver(self._tally)
        self._tasks.start("site.begin", self._begin(parts))

    async def _begin(self, parts: Parts) -> None:
        """Serve; a site that can't is no site, so the program ends then."""
        try:
            await self._serve(parts)
        except Cancelled:
            raise
        except (DirectoryError, PluginError) as error:
            self.log.critical("the site can't be started: {reason}", event="site.failed", reason=str(error))
            self._note_failure()
            self._reactor.stop()
        except Exception:  # noqa: BLE001 - whatever it is, nobody would be served
            self.log.failure("the site can't be started", event="site.failed")
            self._note_failure()
            self._reactor.stop()

    async def _serve(self, parts: Parts) -> None:
        await parts.begin()
        if self._trial is not None:
            await parts.add_login(ACCOUNT, self._trial.password)
        self._control.start()
        if self._measuring is not None:
            self._measuring.start()
        self._serve_new_sessions(parts)
        for name, port in self._ports:
            _accept(port)
            self.log.info("listening {name} {place}", event="site.listening", name=name, place=_place(port))
        self._tasks.start("site.claims", self._repeat(CLAIMS_EVERY, parts.sweep.give_back_claims))
        self._tasks.start("site.orphans", self._repeat(ORPHANS_EVERY, parts.sweep.remove_orphans))
        self._tasks.start("site.released", self._repeat(ORPHANS_EVERY, parts.mailboxes.release))
        self._tasks.start("site.history", self._repeat(HISTORY_EVERY, parts.history.recorder.clear))
        self._tasks.start("site.dkim", self._repeat(KEYS_EVERY, parts.rotation.look))
        self._tasks.start("site.reports", self._repeat(REPORTS_EVERY, parts.reporting.look))
        self._tasks.start("site.posts", self._repeat(REPORTS_EVERY, parts.reporting.post))
        keep = self._site.quarantine.keep
        if keep is not None:
            every = min(max(keep / 10, EXPIRY_STEP), EXPIRE_EVERY)
            self._tasks.start("site.quarantine", self._repeat(every, partial(parts.quarantine.expire, keep)))

        if self._site.acme is not None:
            self._tasks.start("site.acme", self._repeat(CERTIFICATES_EVERY, parts.renewals.look))

        if parts.reported is not None:
            self._tasks.start("site.reported", self._repeat(INBOXES_EVERY, parts.reported.look))
            self._tasks.start("site.reported.forget", self._repeat(ORPHANS_EVERY, parts.reported.forget))

        self._serving = True
        if self._stale:
            self.reload()

    def _serve_new_sessions(self, parts: Parts) -> None:
        """Have sessions begin under what counts now; those under way go on as they began."""
        self._crowd.allow(parts.site.limits.connections)
        for name, factory in self._factories.items():
            _serve(factory, parts, name, self._answer_metrics)

    async def _repeat(self, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do something now and then; what goes wrong is tried again next time."""
        while True:
            try:
                await work()
            except (TemporaryError, OSError) as error:
                self.log.warn("clearing up failed: {reason}", event="site.sweep.failed", reason=str(error))
            except Cancelled:
                raise
            except Exception:  # noqa: BLE001 - else one bug would end it until the next start, and nobody would see that
                self.log.failure("clearing up failed", event="site.sweep.failed")
            await sleep(self._reactor, seconds)

    def stopService(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Let sessions finish or tell them 421, then close everything; nothing accepted is lost."""
        super().stopService()
        return deferred_of(self._end())

    async def _end(self) -> None:
        for _, port in self._ports:
            await promise_of(port.stopListening())  # type: ignore[arg-type]
        await self._readings.stop()
        await self._end_sessions()
        await self._control.stop()
        self._tasks.cancel()
        if self._measuring is not None:
            await self._measuring.stop()
        if self._parts is not None:
            await self._parts.close()
        with suppress(ValueError):  # it never came so far
            globalLogPublisher.removeObserver(self._tally)

    async def _end_sessions(self) -> None:
        deadline = self._reactor.seconds() + FINISH_WITHIN
        for factory in self._factories.values():
            factory.finish()
        while self._connected() and self._reactor.seconds() < deadline:
            await sleep(self._reactor, FINISH_STEP)
        for factory in self._factories.values():
            factory.abort()

    def _sessions(self) -> dict[str, tuple[int, int]]:
        """Return how many connections each listener has, and how many it has had."""
        return {name: (len(factory.connections), self._begun(name)) for name, factory in self._factories.items()}

    def _begun(self, name: str) -> int:
        factory = self._factories[name]
        return factory.begun if isinstance(factory, WebFactory) else self._crowd.begun.get(name, 0)

    def _answer_metrics(self, octets: bytes, peer: str) -> bytes | Coroutine[Any, Any, bytes]:
        """Answer who reads metrics."""
        return BUSY if self._measuring is None else self._measuring.answer(octets, peer)

    def _connected(self) -> bool:
        return any(factory.connections for factory in self._factories.values())

    def plugins(self) -> tuple[Plugin, ...]:
        """Return the plugins that run; from any thread."""
        return self._parts.plugins.running if self._parts is not None else ()

    def reload(self) -> None:
        """Begin to read the site file again, and all files that it names; the log says what came of it."""
        if self._serving:
            self._tasks.start("site.reload", self._hear_of_reload())
        else:
            self._stale = True  # it may have been read before it was changed

    async def _hear_of_reload(self) -> None:
        """Wait for a reading; what is wrong is in the log already."""
        with suppress(ConfigError):
            await self._readings.ask()

    async def _reload(self) -> Reloaded:
        parts = self._parts
        if parts is None:
            raise CommandError("the server is still starting")
        try:
            reloaded = await parts.reload(self._read, lambda: self._serve_new_sessions(parts))
        except ConfigError as error:
            reasons = "; ".join(map(str, error.problems))
            self.log.warn(
                "the site file can't be used, nothing has changed: {reasons}",
                event="site.reload.failed",
                reasons=reasons,
            )
            raise
        self.log.info(
            "the site file was read again: changed {changed}; plugins begun {begun}, ended {ended}",
            event="site.reloaded",
            changed=_listed(reloaded.changed),
            begun=_listed(reloaded.begun),
            ended=_listed(reloaded.ended),
        )
        if reloaded.restart:
            self.log.warn("needs a restart: {keys}", event="site.restart_needed", keys=_listed(reloaded.restart))
        return reloaded


SiteFactory = ServerFactory | AccessFactory | WebFactory


def _factory(table: ListenTable, crowd: Crowd, clock: IReactorTime) -> SiteFactory:
    if table.preset.speaks_http:
        return WebFactory(clock)
    return AccessFactory(crowd) if table.preset.fetches else ServerFactory(crowd)


def _serve_fetching(factory: AccessFactory, parts: Parts, name: str) -> None:
    if parts.speaks_imap(name):
        imap = parts.imap_listener(name, release())
        factory.serve(imap.terms, partial(IMAPConversation, imap))
    else:
        pop3 = parts.pop3_listener(name, release())
        factory.serve(pop3.terms, partial(POP3Conversation, pop3))


def _serve(factory: SiteFactory, parts: Parts, name: str, metrics: Answer) -> None:
    match factory:
        case AccessFactory():
            _serve_fetching(factory, parts, name)
        case WebFactory():
            factory.serve(parts.web_terms(name, metrics))
        case ServerFactory():
            factory.serve(parts.listener(name))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def _stop_accepting(port: IListeningPort) -> None:
    """Leave clients in the backlog; Twisted's ports can, whatever their interface says."""
    port.stopReading()  # type: ignore[attr-defined]


def _accept(port: IListeningPort) -> None:
    port.startReading()  # type: ignore[attr-defined]


def _place(port: IListeningPort) -> str:
    address = port.getHost()
    host = getattr(address, "host", None)
    if host is None:
        return os.fsdecode(getattr(address, "name", None) or "a socket")
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"  # type: ignore[attr-defined]


def _has_ipv6() -> bool:
    """Whether an IPv6 address can be bound at all."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _is_dual() -> bool:
    """Whether an IPv6 socket takes IPv4 connections too, as Twisted makes it."""
    with socket.socket(socket.AF_INET6) as probe:
        return not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
