"""The way out: what calls other hosts, which way mail goes, and the queue before it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import SystemRandom

from twistedmail_mta.composition.settings import (
    PREFERENCES,
    appearance_of,
    lane_terms,
    make_router,
    outbound_of,
    reach_of,
    schedule_of,
    utc_offset,
)
from twistedmail_mta.config.hosting import DomainTable
from twistedmail_mta.config.secrets import read_secret
from twistedmail_mta.config.sending import OutboundTable
from twistedmail_mta.config.site import Site
from twistedmail_mta.deliver.agent import DeliveryAgent
from twistedmail_mta.deliver.callout import Callout
from twistedmail_mta.deliver.current_router import CurrentRouter
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.dial import Dialer, IReactorDelivery
from twistedmail_mta.deliver.forwarding import ForwardedSenders, ForwardingAgent
from twistedmail_mta.deliver.lane_names import lane_names
from twistedmail_mta.deliver.maildir import MaildirAgent, MaildirCheck
from twistedmail_mta.deliver.mx import Hosts
from twistedmail_mta.deliver.plan import LanePlan
from twistedmail_mta.deliver.pool import Pool
from twistedmail_mta.deliver.providers import shipped_providers
from twistedmail_mta.deliver.sealing import Sealing, Seals
from twistedmail_mta.directory.recipients import RecipientFile
from twistedmail_mta.directory.return_paths import ReturnPaths
from twistedmail_mta.history.scribe import History
from twistedmail_mta.interfaces import IDeliveryAgent, IRecipientCheck, IResolver, ITLSSessions
from twistedmail_mta.model import Message, Settlement
from twistedmail_mta.observe.figures import Counts
from twistedmail_mta.queue.asking import Lender
from twistedmail_mta.queue.bounce import Reports
from twistedmail_mta.queue.lanes import LaneLimits
from twistedmail_mta.queue.own_mail import OwnMail
from twistedmail_mta.queue.precedence import burden_of_this_thread
from twistedmail_mta.queue.runner import QueueLimits, QueueRunner
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.tasks import WorkerPool
from twistedmail_mta.tls.client import ClientTLS


class Sending:
    """What takes mail to other hosts, and asks them whom they know.

    Attributes:
        router: says which way mail goes.
        plan: names lanes.
        hosts: finds those of next hops.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that it is made of
        self,
        reactor: IReactorDelivery,
        site: Site,
        own_addresses: Iterable[str],
        resolver: IResolver,
        demands: Demands,
        tls: ClientTLS,
        hosts: Callable[[str], bool],
        bodies: BodyStore,
        io: WorkerPool,
        sessions: ITLSSessions | None = None,
    ) -> None:
        """Put it together.

        Args:
            reactor: drives it.
            site: the site file.
            own_addresses: where we listen.
            resolver: for names.
            demands: knows what hosts have to show.
            tls: makes the client's side of TLS.
            hosts: whether mail for a domain is kept here.
            bodies: of the messages.
            io: threads for files.
            sessions: counts how TLS goes; None: nobody does.
        """
        self._reactor = reactor
        self._site = site
        self._bodies = bodies
        self._io = io
        self._resolver = resolver
        self._appearance = appearance_of(site, own_addresses)
        self._dialer = Dialer(reactor, outbound_of(site), tls, read_secret, sessions)
        self.plan = LanePlan(resolver, shipped_providers(), lane_terms(site), reactor.seconds)
        self._pool = Pool(self._dialer, reactor, messages_of=self.plan.messages_of)
        preferred = PREFERENCES[site.outbound.prefer]
        self.hosts = Hosts(resolver, reach_of(site, own_addresses), SystemRandom(), preferred, demands)
        self.router = CurrentRouter(make_router(site, hosts))
        self._is_hosted = hosts
        self._callout = Callout(self._dialer, self.hosts, self.router, reactor)

    @property
    def opened(self) -> Counts:
        """How many sessions were opened with other hosts, by the version of TLS."""
        return self._dialer.opened

    def checks_of(self, site: Site) -> dict[str, IRecipientCheck | None]:
        """Return who knows the recipients of relayed domains, by the domain's name; None takes any.  Blocks.

        Raises:
            OSError: a file of recipients can't be read.
            ValueError: it can't be understood.
        """
        return {name: self._recipient_check(table, site.outbound) for name, table in site.relayed.items()}

    def _recipient_check(self, table: DomainTable, outbound: OutboundTable) -> IRecipientCheck | None:
        kind, _, path = table.recipients.partition(":")
        if kind == "file":
            return RecipientFile(Path(path))
        if kind == "any":
            return None
        hop = table.next_hop(outbound)
        return MaildirCheck(self._io, hop.host) if hop.local == "maildir" else self._callout

    def queue(  # noqa: PLR0913, PLR0917 - all that it is made of
        self,
        spool: Spool,
        local: Mapping[str, IDeliveryAgent],
        observe: Callable[[Message, Settlement], None],
        plugins: Lender,
        own_mail: OwnMail,
        return_paths: ReturnPaths | None,
        seals: Seals,
        history: History,
    ) -> QueueRunner:
        """Return the queue; it doesn't run yet.

        Args:
            spool: the mail.
            local: who delivers what stays on this host, by the kind of next hop.
            observe: told what became of each recipient that was tried.
            plugins: has those that are asked which way mail goes.
            own_mail: signs reports.
            return_paths: make senders of forwarded mail; None: it keeps its own.
            seals: has the keys that forwarded mail is sealed with.
            history: takes note of attempts.
        """
        site = self._site
        maildir_agent = MaildirAgent(self._io, self._bodies, site.server.hostname, time.time())
        agents = {"maildir": maildir_agent, **local}
        agent = DeliveryAgent(self._pool, self.hosts, self._bodies, agents)
        return QueueRunner(
            spool,
            self.router,
            self._forwarding(agent, return_paths, seals),
            self._reports(spool.new_id),
            self._reactor,
            now=time.time,
            spread=SystemRandom().random,
            limits=QueueLimits(LaneLimits(concurrency=site.outbound.concurrency)),
            plan=self.plan,
            burden=burden_of_this_thread(),
            observe=observe,
            plugins=plugins,
            own_mail=own_mail,
            history=history,
        )

    def _forwarding(self, agent: DeliveryAgent, return_paths: ReturnPaths | None, seals: Seals) -> IDeliveryAgent:
        sealing = Sealing(seals) if self._site.forwarding.arc else None
        if return_paths is None and sealing is None:
            return agent
        senders = None if return_paths is None else self.forwarded_senders(return_paths)
        return ForwardingAgent(agent, senders, sealing)

    def forwarded_senders(self, return_paths: ReturnPaths) -> ForwardedSenders:
        """Return what says with which sender forwarded mail leaves."""
        table = self._site.forwarding
        appearance = self._appearance if table.srs == "needed" else None
        return ForwardedSenders(
            return_paths, self._is_hosted, self._resolver, self._reactor, appearance, table.domain
        )  # fmt: skip

    def _reports(self, new_id: Callable[[], int]) -> Reports:
        site = self._site
        return Reports(
            host=site.server.hostname,
            admin=site.server.admin,
            new_id=new_id,
            offset=utc_offset,
            schedule=schedule_of(site),
            language=site.reports.language,
            return_size=site.reports.return_size,
            copy_to=site.reports.copy_to,
            hosts=self._is_hosted,
        )

    def follow(self, site: Site) -> None:
        """Go by the routes of another site file from now on."""
        self.router.use(make_router(site, self._is_hosted))
        self._callout.forget()

    async def lanes_of(self, domains: Iterable[str]) -> dict[str, str]:
        """Return the lanes of domains whose mail goes by MX, as far as they are known or soon found out."""
        return await lane_names(domains, self.router, self.plan, self._reactor)

    async def close(self) -> None:
        """End every connection to others."""
        await self._callout.close()
        await self._pool.close()
        await self._dialer.close()
