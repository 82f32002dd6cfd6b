"""Everything behind the listeners of one site, put together, begun and closed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from twisted.internet.interfaces import IReactorCore

from twistedmail_mta.access.imap.attendance import Attendance
from twistedmail_mta.access.imap.listener import IMAPListener
from twistedmail_mta.access.pop3_listener import POP3Listener
from twistedmail_mta.access.visits import Visits
from twistedmail_mta.acme.files import provide
from twistedmail_mta.acme.renewals import Renewals
from twistedmail_mta.composition.demanding import Demanding, IReactorDemands
from twistedmail_mta.composition.extending import PluginQueue, PluginThreads, account_mail, notices
from twistedmail_mta.composition.generations import Generation, Generations
from twistedmail_mta.composition.listeners import Behind, imap_listener, incoming_listener, pop3_listener
from twistedmail_mta.composition.rehearsing import Aims, Means, Rehearsal
from twistedmail_mta.composition.reloading import Reloaded, Reloading
from twistedmail_mta.composition.remembering import make_history
from twistedmail_mta.composition.reported import report_reader
from twistedmail_mta.composition.reporting import IReactorReporting, Reporting
from twistedmail_mta.composition.sending import Sending
from twistedmail_mta.composition.settings import nameservers_of
from twistedmail_mta.composition.web import web_terms
from twistedmail_mta.config.site import Site
from twistedmail_mta.deliver.dial import IReactorDelivery
from twistedmail_mta.deliver.local import MailboxAgent
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.checkers import IReactorLogins
from twistedmail_mta.directory.dkim_rotation import Rotation
from twistedmail_mta.directory.dkim_signing import DomainSigning
from twistedmail_mta.directory.live_logins import LiveLogins
from twistedmail_mta.directory.quotas import Quotas
from twistedmail_mta.directory.realm import MailRealm
from twistedmail_mta.directory.resolution import Directory
from twistedmail_mta.directory.return_paths import ReturnPaths, read_secrets
from twistedmail_mta.directory.site_domains import site_domains
from twistedmail_mta.directory.site_logins import SiteLogins
from twistedmail_mta.directory.tables import add_account, find_account
from twistedmail_mta.dns.resolver import Resolver, make_resolver
from twistedmail_mta.gateways import gateways, is_container
from twistedmail_mta.history.recorder import IReactorHistory
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.mailbox.maildrop import open_maildrop
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.catalogue import Reading, of_counts
from twistedmail_mta.observe.figures import Spreads
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.policy.memory import SHARE, MemoryWatch, available
from twistedmail_mta.policy.observing import Observation
from twistedmail_mta.policy.running import Plugins
from twistedmail_mta.policy.supplies import Supplies
from twistedmail_mta.policy.web import WebClient
from twistedmail_mta.queue.own_mail import OwnMail
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.quarantine import Quarantine
from twistedmail_mta.spool.spool import UNBOUNDED, Spool
from twistedmail_mta.spool.sweep import Sweep
from twistedmail_mta.spool.tenure import begin_tenure, boot_name
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.changes import Changes
from twistedmail_mta.store.database import Database, open_database
from twistedmail_mta.store.files import BODIES_NAME, DATABASE_NAME
from twistedmail_mta.store.scratch import Scratch
from twistedmail_mta.tasks import TaskGroup, WorkerPool
from twistedmail_mta.tls.client import ClientTLS
from twistedmail_mta.tls.server import Contexts, ServerTLS
from twistedmail_mta.web.serving import Answer, Terms

IO_THREADS: Final = 2
IO_BACKLOG: Final = 2000
SIGNING_THREADS: Final = 2
SIGNING_BACKLOG: Final = 2000
REPORT_THREADS: Final = 1
REPORT_BACKLOG: Final = 10
PROCESS: Final = 0
"""The number of the only process there is."""


class IReactorSite(IReactorCore, IReactorDelivery, IReactorLogins, IReactorDemands, IReactorReporting, IReactorHistory):
    """What of the reactor a site uses."""


class Parts:
    """Everything behind the listeners of one site, put together.

    Attributes:
        tls: the certificates; None without.
        renewals: looks after those that [acme] provides.
        reporting: tells other domains what they ask for.
        reported: reads reports that others send; None where none are to be read.
    """

    def __init__(
        self, reactor: IReactorSite, site: Site, own_addresses: Iterable[str], scratch: Scratch | None = None
    ) -> None:
        """Open what is open from the start; blocks, so before the reactor serves.

        Args:
            reactor: drives it.
            site: what the site file says.
            own_addresses: where we listen.
            scratch: the database of a site that doesn't run, for dry runs: then nothing is made or written, no
                certificate is needed, and `prepare` is called instead of `begin`.

        Raises:
            OSError: a file can't be opened.
            SchemaError: the database is of a newer release.
            UnusableDatabase: it is no database, or can't be opened.
            CertificateError: a certificate can't be used.
            ValueError: a file of recipients or secrets can't be understood.
            PluginError: a plugin can't be made.
        """
        state = site.server.state_dir
        self._reactor = reactor
        self.tasks = TaskGroup()
        self._begun = False
        if site.acme is not None and scratch is None:
            provide(site)
        certificates = site.certificates if scratch is None else None
        self.tls = ServerTLS(certificates) if certificates is not None else None
        self.database: Database | Scratch = scratch or open_database(reactor, state / DATABASE_NAME)
        self._io = WorkerPool(reactor, "io", IO_THREADS, IO_BACKLOG)
        self.bodies = BodyStore(self._io, state / BODIES_NAME, makes=scratch is None)
        self._resolver, self._asked = _resolver(reactor, site)
        client_tls = ClientTLS(site.outbound.ca_file)
        self._http = WebClient(reactor, client_tls)
        self.reporting = Reporting(reactor, site, self.database, self._resolver)
        sessions = self.reporting.sessions
        self._demanding = Demanding(reactor, site, self._resolver, client_tls, self.database, self.tasks, sessions)
        self.changes = Changes(self.database, reactor)
        self.directory = Directory(
            self.database, site_domains(site.domains), site.server.admin, self.changes, reactor, self.tasks
        )
        hosts = self.directory.hosts
        self._sending = Sending(
            reactor,
            site,
            own_addresses,
            self._resolver,
            self._demanding.demands,
            client_tls,
            hosts,
            self.bodies,
            self._io,
            sessions,
        )
        checks = self._sending.checks_of(site)
        self._quotas = Quotas(self.database, self.directory)
        self._return_paths = _return_paths(site, self.database)
        self.history = make_history(reactor, site)
        self.mailboxes = MailboxStore(self.database, self.bodies, self.tasks, time.time, self.history.delivered_here)
        self.changes.subscribe(self.mailboxes.look_at_all)
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
        self._plugin_threads = PluginThreads(reactor)
        self._signing_threads = WorkerPool(reactor, "dkim", SIGNING_THREADS, SIGNING_BACKLOG)
        self._signing = DomainSigning(
            self.database, self.changes, self.bodies, self._signing_threads, time.time, site.dkim.expire
        )
        self._own_mail = OwnMail(self._signing)
        self._plugin_queue = PluginQueue(self._own_mail)
        self.rotation = Rotation(
            self.database,
            self._resolver.texts,
            self._signing_threads,
            time.time,
            self._signing.forget,
            notices(self._plugin_queue, site).tell,
            site.dkim.rotate,
        )
        supplies = Supplies(
            site.server.hostname,
            reactor,
            time.time,
            self._resolver,
            self._http,
            self.database,
            self._plugin_threads.of,
            account_mail(self._plugin_queue, self.database, self.bodies, reactor, self.history.acted),
            notices(self._plugin_queue, site),
            self._plugin_threads.end,
            self.reporting.evaluations,
        )
        self._supplies = supplies if scratch is None else supplies.rehearsing(scratch)
        plugins = Plugins(site.found_plugins, self._supplies)
        first = Generation(site, plugins, plugins.grants(site.relay.plugins), checks)
        self._generations = Generations(first, reactor)
        self._observation = Observation(plugins.observers, first.presence.tasks)
        self._reloading = Reloading(
            reactor,
            self._generations,
            self._supplies,
            self._sending,
            self.directory,
            self._logins,
            self._observation,
            self.tls,
            self.history.recorder,
        )
        self._report_threads = WorkerPool(reactor, "reported", REPORT_THREADS, REPORT_BACKLOG)
        self.reported = report_reader(
            site, reactor, self._resolver, self.database, self.mailboxes, self._report_threads, hosts
        )
        self.renewals = Renewals(reactor, lambda: self.site, self._show)
        most = site.limits.memory or int(SHARE * available())
        self._memory = MemoryWatch(most, reactor, lambda: self.plugins.running, self.tasks, self._io)

    async def begin(self) -> None:
        """Take up the queue where the last process left it.

        Raises:
            TemporaryError: the database can't be written.
            DirectoryError: a domain stands in the site file and in the database; or one that forwarded mail
                is to come from isn't hosted.
            PluginError: a plugin can't start.
        """
        await self.prepare()
        await self.sweep.give_back_claims()
        await self.mailboxes.undo_unfinished()
        await self._reloading.note_use()
        self.changes.start()
        self._demanding.start()
        self.queue.start()
        self._plugin_queue.begin(self.spool, self.queue)
        self.reporting.begin(self.spool, self.queue, self._own_mail, self._demanding.web)
        self._begun = True

    async def prepare(self) -> None:
        """Make everything ready that needs the database; no mail is touched, and no timer runs.

        Raises:
            MailError, DirectoryError, PluginError: as `begin`.
        """
        await self.plugins.start()
        await self.directory.begin()
        await self._begin_forwarding()
        self.tenure = await begin_tenure(self.database, self._reactor, time.monotonic, Host(boot_name(), PROCESS))
        self.sweep = Sweep(self.database, self.bodies, self.tenure)
        most = self.site.quarantine.max_size
        room = UNBOUNDED if most is None else most
        self.spool = Spool(
            self.database,
            self.bodies,
            self.tasks,
            self.tenure,
            self.mailboxes.note,
            room,
            self.history.filed,
            self.history.own,
            self.history.acted,
        )
        self.quarantine = Quarantine(
            self.database, self.bodies, self._reactor, time.monotonic, boot_name(), record=self.history.acted
        )
        mailbox_agent = MailboxAgent(self.directory, self.mailboxes, self.bodies, self._reactor)
        self.queue = self._sending.queue(
            self.spool,
            {"mailbox": mailbox_agent},
            self._observation.attempted,
            self._generations,
            self._own_mail,
            self._return_paths,
            self._signing,
            self.history,
        )
        self._behind = self._everything_behind()

    async def _begin_forwarding(self) -> None:
        domain = self.site.forwarding.domain
        if domain is not None and not self.directory.hosts(domain):
            raise DirectoryError(f"forwarding.domain: {domain} isn't hosted here, so no report would come back")
        if self._return_paths is not None:
            await self._return_paths.begin()

    def _everything_behind(self) -> Behind:
        return Behind(
            tls=self.tls,
            database=self.database,
            bodies=self.bodies,
            directory=self.directory,
            quotas=self._quotas,
            mailboxes=self.mailboxes,
            authenticator=self._logins.authenticator,
            logins=self._live_logins,
            visits=self._visits,
            attendance=self._attendance,
            queue=self.queue,
            new_id=self.spool.new_id,
            signing=self._signing,
            return_paths=self._return_paths,
            stored=self._observation.stored,
            shortage=self._memory.refusal,
            history=self.history,
            gateways=gateways() if self.site.server.gateway == "refuse" and is_container() else frozenset(),
            clock=self._reactor,
            tasks=self.tasks,
        )

    def scratch(self) -> Scratch:
        """Return a database that holds what the site's does, for one dry run; its user closes it."""
        return Scratch(self._reactor, self.site.server.state_dir / DATABASE_NAME)

    def rehearsal(self, database: Scratch, aims: Aims) -> Rehearsal:
        """Return what a dry run is made with; it leaves this site as it is.

        Args:
            database: forgets what is written in the dry run.
            aims: what may be asked.
        """
        means = Means(
            self._reactor, self._generations.now, self._behind, self._supplies, self._sending, self._demanding, self._io
        )  # fmt: skip
        return Rehearsal(means, database, _return_paths(self.site, database), aims)

    def _show(self, certificates: Contexts) -> None:
        """Let new connections be shown these certificates."""
        if self.tls is not None:
            self.tls.use(certificates)

    @property
    def site(self) -> Site:
        """What of the site file counts now."""
        return self._generations.now.site

    @property
    def plugins(self) -> Plugins:
        """Those that new sessions ask."""
        return self._generations.now.plugins

    @property
    def most_memory(self) -> int:
        """How many octets this process may hold before mail is refused."""
        return self._memory.most

    def speaks_imap(self, name: str) -> bool:
        """Return whether IMAP is spoken on a listener where mail is fetched, not POP3."""
        return self.site.listen[name].role == "imap"

    def web_terms(self, name: str, metrics: Answer) -> Terms:
        """Return what connections have to know where HTTP is spoken; `metrics` answers who reads those."""
        return web_terms(self.site, name, self.tls, self.renewals.challenges, metrics)

    def pop3_listener(self, name: str, version: str) -> POP3Listener:
        """Return one listener of role pop3, with all that its sessions need."""
        return pop3_listener(self.site, name, self._behind, version)

    def imap_listener(self, name: str, version: str) -> IMAPListener:
        """Return one listener of role imap, with all that its sessions need."""
        return imap_listener(self.site, name, self._behind, version)

    def listener(self, name: str) -> Listener:
        """Return one listener of the site file where mail arrives, with all that its sessions need."""
        return incoming_listener(self._generations.now, name, self._behind)

    async def add_login(self, address: str, password: str) -> None:
        """Make an account unless it exists."""
        stored = await self._logins.store(password)
        now = time.time()

        def add(tx: Transaction) -> None:
            if find_account(tx, address) is None:
                add_account(tx, address, stored, now)

        await self.database.write(add)

    async def reload(self, read: Callable[[], Site], serve: Callable[[], None]) -> Reloaded:
        """Read the site file, and all files that it names, again; see `Reloading.reload`."""
        return await self._reloading.reload(read, serve)

    def readings(self) -> Iterator[Reading]:
        """Yield what was counted in here; on the reactor's thread."""
        if isinstance(self.database, Database):
            yield from self.database.readings()
        yield from (reading for name, pool in self._pools() for reading in _pool_readings(name, pool))
        yield from of_counts(catalogue.LANES, (((state,), n) for state, n in self.queue.lane_states().items()))
        yield catalogue.LANE_RECIPIENTS, (), self.queue.lane_recipients
        yield from of_counts(catalogue.OUTBOUND, self._sending.opened.items())
        for labels, spread in self._asked:
            yield catalogue.DNS, labels, spread
        now = self._reactor.seconds()
        yield from (reading for plugin in self.plugins.running for reading in _plugin_readings(plugin, now))

    def _pools(self) -> Iterator[tuple[str, WorkerPool]]:
        if isinstance(self.database, Database):
            yield "store-reader", self.database.pool
        yield from (("io", self._io), ("dkim", self._signing_threads), ("reported", self._report_threads))
        yield "passwords", self._logins.pool

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
        return await self._sending.lanes_of(domains)

    async def close(self) -> None:
        """Stop delivering, finish what is on its way to the disk, and close every file."""
        self.changes.stop()
        self._live_logins.stop()
        if self._begun:
            await self.queue.stop()
        await self._sending.close()
        await self._generations.close()
        self._demanding.stop()
        self._resolver.stop()
        await self._http.close()
        await self._demanding.close()
        await self._generations.finish()
        await self.reporting.close()
        await self.tasks.finish()
        if self._begun:
            await self.tenure.end()
        await self.bodies.close()
        await self.database.close()
        self.history.recorder.close()
        self._plugin_threads.stop()
        self._signing_threads.stop()
        self._report_threads.stop()
        self._reloading.stop()
        self.renewals.stop()
        self._io.stop()
        self._logins.close()


def _resolver(reactor: IReactorSite, site: Site) -> tuple[Resolver, Spreads]:
    """Return who asks for names, and what tells how long that took."""
    asked = Spreads(catalogue.DNS.bounds)
    return make_resolver(reactor, nameservers_of(site), site.dns.timeout, asked), asked


def _return_paths(site: Site, database: IDatabase) -> ReturnPaths | None:
    """Return who rewrites senders of forwarded mail; blocks where a file has the secrets.

    Raises:
        OSError: it can't be read.
        ValueError: it holds no good secrets.
    """
    table = site.forwarding
    if table.srs == "never":
        return None
    return ReturnPaths(database, time.time, read_secrets(table.secret_file) if table.secret_file else ())


def _pool_readings(name: str, pool: WorkerPool) -> Iterator[Reading]:
    yield catalogue.POOLS, (name,), pool.calls
    yield catalogue.POOL_LIMIT, (name,), pool.limit


def _plugin_readings(plugin: Plugin, now: float) -> Iterator[Reading]:
    for stage, tally in plugin.tallies.items():
        yield catalogue.PLUGIN, (plugin.name, stage), tally.seconds
    yield catalogue.PLUGIN_FAILURES, (plugin.name,), plugin.failures
    yield catalogue.PLUGIN_RESTING, (plugin.name,), int(plugin.rests_until > now)
