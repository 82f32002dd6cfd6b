"""The composition root: makes every part of a site and hands them to each other.

The only file that names concrete classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import ClassVar, Final, Literal

from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger

from twistedmail_mta.access import pop3_conversation
from twistedmail_mta.access.imap import conversation as imap_conversation
from twistedmail_mta.access.imap.attendance import Attendance
from twistedmail_mta.access.imap.listener import IMAPListener
from twistedmail_mta.access.pop3_listener import POP3Listener
from twistedmail_mta.access.terms import Terms
from twistedmail_mta.access.visits import Rules, Visits
from twistedmail_mta.config.hosting import DomainTable
from twistedmail_mta.config.limits import imap_limits_of, limits_of, pop3_limits_of
from twistedmail_mta.config.secrets import read_secret
from twistedmail_mta.config.site import Site
from twistedmail_mta.deliver.agent import DeliveryAgent
from twistedmail_mta.deliver.callout import Callout
from twistedmail_mta.deliver.connection import Timeouts
from twistedmail_mta.deliver.dial import Dialer, IReactorDelivery, Outbound
from twistedmail_mta.deliver.lane_names import lane_names
from twistedmail_mta.deliver.local import MailboxAgent
from twistedmail_mta.deliver.maildir import MaildirAgent, MaildirCheck
from twistedmail_mta.deliver.mx import Hosts
from twistedmail_mta.deliver.networks import Reach, reach
from twistedmail_mta.deliver.plan import LanePlan
from twistedmail_mta.deliver.pool import Pool
from twistedmail_mta.deliver.providers import shipped_providers
from twistedmail_mta.deliver.router import Fallback, Router, RouteRule
from twistedmail_mta.deliver.sources import Source, Sources
from twistedmail_mta.directory.checkers import IReactorLogins
from twistedmail_mta.directory.live_logins import LiveLogins
from twistedmail_mta.directory.quotas import Quotas
from twistedmail_mta.directory.realm import MailRealm
from twistedmail_mta.directory.recipients import RecipientFile
from twistedmail_mta.directory.resolution import Directory
from twistedmail_mta.directory.site_domains import site_domains
from twistedmail_mta.directory.site_logins import SiteLogins
from twistedmail_mta.directory.tables import add_account, find_account
from twistedmail_mta.dns.exchange import IReactorDNS
from twistedmail_mta.dns.nameservers import Nameserver, nameservers, system_nameservers
from twistedmail_mta.dns.resolver import make_resolver
from twistedmail_mta.interfaces import IRecipientCheck, Transaction
from twistedmail_mta.mailbox.maildrop import open_maildrop
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.model import LaneTerms, NextHop, Reply, id_text
from twistedmail_mta.policy.observing import Observation
from twistedmail_mta.policy.running import Plugins
from twistedmail_mta.policy.web import IReactorWeb, WebClient
from twistedmail_mta.pop3.standing import SessionSettings
from twistedmail_mta.queue.bounce import Reports
from twistedmail_mta.queue.lanes import LaneLimits
from twistedmail_mta.queue.notices import Notices
from twistedmail_mta.queue.precedence import burden_of_this_thread
from twistedmail_mta.queue.runner import QueueLimits, QueueRunner
from twistedmail_mta.queue.schedule import RetrySchedule
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.spool.account_mail import AccountMail
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.sweep import Sweep
from twistedmail_mta.spool.tenure import begin_tenure, boot_name
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.changes import Changes
from twistedmail_mta.store.database import open_database
from twistedmail_mta.store.files import BODIES_NAME, DATABASE_NAME
from twistedmail_mta.tasks import TaskGroup, WorkerPool
from twistedmail_mta.tls.client import ClientTLS
from twistedmail_mta.tls.server import ServerTLS

IO_THREADS: Final = 2
IO_BACKLOG: Final = 2000
PLUGIN_THREADS: Final = 2
PLUGIN_BACKLOG: Final = 200
"""Of each plugin that uses threads at all; what one does there keeps no other waiting."""
PLUGIN_THREADS_END: Final = 5.0
"""Seconds that a plugin's threads have to end when the server stops."""
PREFERENCES: Final[dict[str, Literal[4, 6] | None]] = {"any": None, "ipv4": 4, "ipv6": 6}
STRANGERS_IDLE: Final = 180.0
"""Seconds that an IMAP client may take to log in; RFC 9051 section 5.4 bounds only sessions after that."""
PROCESS: Final = 0
"""The number of the only process there is."""


class IReactorSite(IReactorCore, IReactorDelivery, IReactorDNS, IReactorLogins, IReactorWeb):
    """What of the reactor a site uses."""


class Parts:
    """Everything behind the listeners of one site, put together.

    Attributes:
        tls: the certificates; None without.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: IReactorSite, site: Site, own_addresses: Iterable[str]) -> None:
        """Open what is open from the start; blocks, so before the reactor serves.

        Raises:
            OSError: a file can't be opened.
            SchemaError: the database is of a newer release.
            UnusableDatabase: it is no database, or can't be opened.
            CertificateError: a certificate can't be used.
                ValueError: a file of recipients can't be understood.
            PluginError: a plugin can't be made.
        """
        state = site.server.state_dir
        self._reactor = reactor
        self._site = site
        self.tasks = TaskGroup()
        self._begun = False
        self.tls = ServerTLS(site.tls) if site.tls is not None else None
        self.database = open_database(reactor, state / DATABASE_NAME)
        self._io = WorkerPool(reactor, "io", IO_THREADS, IO_BACKLOG)
        self.bodies = BodyStore(self._io, state / BODIES_NAME)
        self._resolver = make_resolver(reactor, _nameservers(site), site.dns.timeout)
        tls = ClientTLS(site.outbound.ca_file)
        self._dialer = Dialer(reactor, _outbound(site), tls, read_secret)
        self._http = WebClient(reactor, tls)
        self._plan = LanePlan(self._resolver, shipped_providers(), _lane_terms(site), reactor.seconds)
        self._pool = Pool(self._dialer, reactor, messages_of=self._plan.messages_of)
        self._hosts = Hosts(
            self._resolver, _reach(site, own_addresses), SystemRandom(), PREFERENCES[site.outbound.prefer]
        )
        self.changes = Changes(self.database, reactor)
        self.directory = Directory(
            self.database, site_domains(site.domains), site.server.admin, self.changes, reactor, self.tasks, self._io
        )
        self._quotas = Quotas(self.database, self.directory)
        self.mailboxes = MailboxStore(self.database, self.bodies, self.tasks, time.time)
        self.changes.subscribe(self.mailboxes.look_at_all)
        self._router = make_router(site, self.directory.hosts)
        self._callout = Callout(self._dialer, self._hosts, self._router, reactor)
        self._live_logins = LiveLogins(self.database, self.changes, reactor)
        self._logins = SiteLogins(
            reactor,
            self.database,
            site.checker,
            MailRealm(self.directory.separators, partial(open_maildrop, self.mailboxes), self.directory.synonyms),
            self._live_logins.end,
        )
        self._visits = Visits(reactor)
        self._attendance = Attendance()
        self._plugin_pools: list[tuple[str, WorkerPool]] = []
        self.plugins = Plugins(
            site.found_plugins,
            site.server.hostname,
            reactor,
            time.time,
            self._resolver,
            self._http,
            self.database,
            self._plugin_threads,
            AccountMail(self._queue_control()),
            self._notices(),
        )
        self._observation = Observation(self.plugins.observers, self.tasks)
        self._checks = {name: self._recipient_check(table) for name, table in site.relayed.items()}

    def _plugin_threads(self, name: str) -> WorkerPool:
        """Return the threads of one plugin; they begin when it gives them work."""
        pool = WorkerPool(self._reactor, f"plugin-{name}", PLUGIN_THREADS, PLUGIN_BACKLOG)
        self._plugin_pools.append((name, pool))
        return pool

    def _queue_control(self) -> QueueControl:
        """Return the hand that plugins have on the queue, once it is there."""

        def note(recipients: Iterable[tuple[int, int, int | None]], wanted: bool) -> None:
            if self._begun:
                self.note_wishes(recipients, wanted=wanted)

        def look() -> None:
            if self._begun:
                self.queue.look()

        return QueueControl(self.database, self.bodies, self._reactor, time.monotonic, boot_name(), note, look)

    def _notices(self) -> Notices:
        server = self._site.server
        return Notices(
            server.hostname,
            server.admin,
            lambda: self.spool.new_id(),  # noqa: PLW0108 - there is no spool yet
            time.time,
            utc_offset,
            lambda message: self.queue.accept(message),  # noqa: PLW0108 - nor a queue
        )

    def _recipient_check(self, table: DomainTable) -> IRecipientCheck | None:
        kind, _, path = table.recipients.partition(":")
        if kind == "file":
            return RecipientFile(Path(path))
        if kind == "any":
            return None
        hop = table.next_hop(self._site.outbound)
        return MaildirCheck(self._io, hop.host) if hop.local == "maildir" else self._callout

    async def begin(self) -> None:
        """Take up the queue where the last process left it.

        Raises:
            TemporaryError: the database can't be written.
            DirectoryError: a domain stands in the site file and in the database.
            PluginError: a plugin can't start.
        """
        await self.plugins.start()
        await self.directory.begin()
        self.tenure = await begin_tenure(self.database, self._reactor, time.monotonic, Host(boot_name(), PROCESS))
        self.sweep = Sweep(self.database, self.bodies, self.tenure)
        self.spool = Spool(self.database, self.bodies, self.tasks, self.tenure, self.mailboxes.note)
        self.queue = self._make_queue(self.spool)
        await self.sweep.give_back_claims()
        await self.mailboxes.undo_unfinished()
        self.changes.start()
        self.queue.start()
        self._begun = True

    def _make_queue(self, spool: Spool) -> QueueRunner:
        site = self._site
        reports = Reports(
            host=site.server.hostname,
            admin=site.server.admin,
            new_id=spool.new_id,
            offset=utc_offset,
            schedule=_schedule(site),
            language=site.reports.language,
            return_size=site.reports.return_size,
            copy_to=site.reports.copy_to,
            hosts=self.directory.hosts,
        )
        mailbox_agent = MailboxAgent(self.directory, self.mailboxes, self.bodies, self._reactor)
        maildir_agent = MaildirAgent(self._io, self.bodies, site.server.hostname, time.time())
        return QueueRunner(
            spool,
            self._router,
            DeliveryAgent(self._pool, self._hosts, self.bodies, {"mailbox": mailbox_agent, "maildir": maildir_agent}),
            reports,
            self._reactor,
            now=time.time,
            spread=SystemRandom().random,
            limits=QueueLimits(LaneLimits(concurrency=site.outbound.concurrency)),
            plan=self._plan,
            burden=burden_of_this_thread(),
            observe=self._observation.attempted,
        )

    def speaks_imap(self, name: str) -> bool:
        """Return whether IMAP is spoken on a listener where mail is fetched, not POP3."""
        return self._site.listen[name].role == "imap"

    def pop3_listener(self, name: str, version: str) -> POP3Listener:
        """Return one listener of role pop3, with all that its sessions need."""
        table, limits = self._site.listen[name], pop3_limits_of(self._site, name)
        delay = math.ceil(table.login_delay or 0)
        terms = self._access_terms(
            name, "pop3", limits.connections_per_client, limits.idle, pop3_conversation.turned_away
        )
        return POP3Listener(
            terms=terms,
            settings=SessionSettings(self._site.server.hostname, delay, version=version),
            plaintext_login=table.plaintext_login,
            failed_logins=limits.failed_logins,
            errors_before_delay=limits.errors_before_delay,
            errors=limits.errors,
            rules=Rules(limits.sessions_per_account, table.exclusive, delay),
            visits=self._visits,
            authenticator=self._logins.authenticator,
            logins=self._live_logins,
        )

    def imap_listener(self, name: str, version: str) -> IMAPListener:
        """Return one listener of role imap, with all that its sessions need."""
        table, limits = self._site.listen[name], imap_limits_of(self._site, name)
        terms = self._access_terms(
            name, "imap", limits.connections_per_client, limits.idle, imap_conversation.turned_away
        )
        return IMAPListener(
            terms=replace(terms, idle_before_login=STRANGERS_IDLE),
            version=version,
            plaintext_login=table.plaintext_login,
            failed_logins=limits.failed_logins,
            errors_before_delay=limits.errors_before_delay,
            errors=limits.errors,
            sessions_per_account=limits.sessions_per_account,
            message_size=limits.message_size,
            header_size=limits.header_size,
            attendance=self._attendance,
            store=self.mailboxes,
            bodies=self.bodies,
            quotas=self._quotas,
            authenticator=self._logins.authenticator,
            logins=self._live_logins,
            new_id=self.spool.new_id,
            now=time.time,
        )

    def _access_terms(
        self, name: str, protocol: str, connections: int, idle: float, turned_away: Callable[[Reply], bytes]
    ) -> Terms:
        """Return what the connections of a listener have to know where mail is fetched."""
        return Terms(
            name=name,
            protocol=protocol,
            tls=self.tls,
            implicit_tls=self._site.listen[name].tls == "implicit",
            connections_per_client=connections,
            idle=idle,
            idle_before_login=idle,
            turned_away=turned_away,
            new_session=lambda: id_text(self.spool.new_id()),
            clock=self._reactor,
            tasks=self.tasks,
        )

    def listener(self, name: str) -> Listener:
        """Return one listener of the site file where mail arrives, with all that its sessions need."""
        table = self._site.listen[name]
        server = self._site.server
        return Listener(
            name=name,
            role=table.preset,
            hostname=server.hostname,
            limits=limits_of(self._site, name),
            tls=self.tls,
            implicit_tls=table.tls == "implicit",
            plaintext_login=table.plaintext_login,
            strict=table.strict,
            hide_client=table.hide_client,
            vrfy=table.vrfy,
            admission=Admission(self._checks, self.directory, server.admin),
            quotas=self._quotas,
            authenticator=self._logins.authenticator,
            logins=self._live_logins,
            acceptance=self.queue,
            bodies=self.bodies,
            database=self.database,
            new_id=self.spool.new_id,
            now=time.time,
            offset=utc_offset,
            clock=self._reactor,
            tasks=self.tasks,
            plugins=self.plugins.pipeline(table.plugins),
            stored=self._observation.stored,
        )

    async def add_login(self, address: str, password: str) -> None:
        """Make an account unless it exists."""
        stored = await self._logins.store(password)
        now = time.time()

        def add(tx: Transaction) -> None:
            if find_account(tx, address) is None:
                add_account(tx, address, stored, now)

        await self.database.write(add)

    def reload(self) -> bool:
        """Read certificates, recipients and passwords again; return whether the new certificates are in use."""
        for check in self._checks.values():
            if isinstance(check, RecipientFile):
                check.reload()
        self.directory.reload()
        self._logins.reload()
        return self.tls is None or self.tls.reload()

    def note_wishes(self, recipients: Iterable[tuple[int, int, int | None]], *, wanted: bool) -> None:
        """Hear what an operator did to recipients, and look at the queue at once."""
        self.spool.note_wishes(recipients, wanted)
        self.queue.poke()

    async def directory_changed(self) -> None:
        """Hear that another process has changed domains, accounts or aliases.

        Raises:
            TemporaryError: the domains can't be read now; it is tried again.
        """
        self.changes.notice()
        await self.directory.refresh()

    async def lanes_of(self, domains: Iterable[str]) -> dict[str, str]:
        """Return the lanes of domains whose mail goes by MX, as far as they are known or soon found out."""
        return await lane_names(domains, self._router, self._plan, self._reactor)

    async def close(self) -> None:
        """Stop delivering, finish what is on its way to the disk, and close every file."""
        self.changes.stop()
        self._live_logins.stop()
        if self._begun:
            await self.queue.stop()
        await self._callout.close()
        await self._pool.close()
        await self._dialer.close()
        await self.plugins.stop()
        self._resolver.stop()
        await self._http.close()
        await self.tasks.finish()
        if self._begun:
            await self.tenure.end()
        await self.bodies.close()
        await self.database.close()
        for name, pool in self._plugin_pools:
            if not pool.stop(PLUGIN_THREADS_END):
                self.log.warn("plugin {plugin} still has work on its threads", event="plugin.failed", plugin=name)
        self._io.stop()
        self._logins.close()


def utc_offset(at: float) -> int:
    """Return local time minus UTC, in seconds, at a time in seconds since the epoch."""
    return time.localtime(at).tm_gmtoff


def _nameservers(site: Site) -> tuple[Nameserver, ...]:
    return nameservers(site.dns.nameservers or system_nameservers(), site.dns.port, site.dns.dnssec)


def _outbound(site: Site) -> Outbound:
    table = site.outbound
    sources = Sources(Source(str(each.address), each.ehlo) for each in table.source_addresses)
    return Outbound(site.server.hostname, Timeouts(**table.timeouts.model_dump()), sources)


def _reach(site: Site, bound: Iterable[str]) -> Reach:
    """Return who we are to others: what the site file says, else where we listen."""
    addresses = [str(address) for address in site.server.addresses] or bound
    return reach([site.server.hostname], addresses, site.outbound.allow_networks)


def make_router(site: Site, hosts: Callable[[str], bool]) -> Router:
    """Return the routes: first what is kept here, then the domains that are relayed, the site's own, last MX."""
    outbound = site.outbound
    domains = [RouteRule((name,), table.next_hop(outbound)) for name, table in site.relayed.items()]
    routes = [RouteRule(table.match.to_domain or (), table.route(outbound)) for table in site.route]
    spare = outbound.fallback
    fallback = Fallback(spare.after, spare.next_hop(outbound)) if spare is not None else None
    return Router([*domains, *routes], NextHop("", outbound.port, mx=True, tls=outbound.tls), fallback, hosts)


def _lane_terms(site: Site) -> list[LaneTerms]:
    return [terms for table in site.lane for terms in table.terms()]


def _schedule(site: Site) -> RetrySchedule:
    queue = site.queue
    return RetrySchedule(
        retry=queue.retry,
        cap=queue.retry_cap,
        lifetime=queue.lifetime,
        bounce_lifetime=queue.bounce_lifetime,
        warn_after=queue.warn_after,
    )
