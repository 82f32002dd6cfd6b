"""What this host reports to other domains: counted from the start on, sent once there is a queue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import SystemRandom
from typing import Final

from twisted.internet.interfaces import IReactorFromThreads, IReactorTime

from twistedmail_mta.composition.settings import release
from twistedmail_mta.config.site import Site
from twistedmail_mta.interfaces import IDatabase, IHTTPClient, IResolver
from twistedmail_mta.model import Address
from twistedmail_mta.queue.own_mail import OwnMail
from twistedmail_mta.queue.runner import QueueRunner
from twistedmail_mta.reporting import dmarc_rows, tls_rows
from twistedmail_mta.reporting.daily import DailyReports
from twistedmail_mta.reporting.dmarc_kind import DMARCReports, Reporter
from twistedmail_mta.reporting.evaluations import Evaluations
from twistedmail_mta.reporting.kind import ReportKind
from twistedmail_mta.reporting.outgoing import Outgoing
from twistedmail_mta.reporting.posting import Posting
from twistedmail_mta.reporting.tls_reports import Submitter, TLSReports
from twistedmail_mta.reporting.tls_sessions import TLSSessions
from twistedmail_mta.reporting.unwanted import Unwanted
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.tasks import WorkerPool

THREADS: Final = 1
BACKLOG: Final = 10


class IReactorReporting(IReactorTime, IReactorFromThreads):
    """What of the reactor is used here."""


class Reporting:
    """The reports of one site, and what counts for them.

    Attributes:
        evaluations: what DMARC finds; None where nobody is told of it.
        sessions: how TLS goes with other hosts; None where nobody is told of it.
    """

    def __init__(self, reactor: IReactorReporting, site: Site, database: IDatabase, resolver: IResolver) -> None:
        """Put together what counts.

        Args:
            reactor: drives it.
            site: the site file.
            database: keeps what is counted.
            resolver: says who wants reports.
        """
        self._site = site
        self._database = database
        self._resolver = resolver
        self._threads = WorkerPool(reactor, "reports", THREADS, BACKLOG)
        self.evaluations = Evaluations(database, reactor, time.time) if site.reports.dmarc else None
        self.sessions = TLSSessions(database, reactor, time.time) if site.reports.tls else None
        self._daily: DailyReports | None = None
        self._posting: Posting | None = None

    def begin(self, spool: Spool, queue: QueueRunner, own_mail: OwnMail, web: IHTTPClient) -> None:
        """Send from now on, whenever `look` is called, and post whenever `post` is.

        Args:
            spool: keeps mail.
            queue: delivers it.
            own_mail: signs it.
            web: posts to servers that strangers name.
        """
        author, host = self._site.reports.author(self._site.server.admin), self._site.server.hostname
        outgoing = Outgoing(
            author, host, spool.new_id, time.time, own_mail.signatures, spool.insertion, queue.poke
        )  # fmt: skip
        reporter = Reporter(host, str(author), f"twistedmail-mta {release()}")
        kinds = list(self._kinds(reporter, author))
        self._posting = Posting(web, self._database, time.time)
        self._daily = DailyReports(kinds, self._database, outgoing, time.time, SystemRandom().random)

    def _kinds(self, reporter: Reporter, author: Address) -> Iterator[ReportKind]:
        if self.evaluations is None:
            yield Unwanted("dmarc", dmarc_rows.forget_some)
        else:
            yield DMARCReports(self.evaluations, self._database, self._resolver, self._threads.run, reporter)
        if self.sessions is None:
            yield Unwanted("tls", tls_rows.forget)
        else:
            submitter = Submitter(author, reporter.host)
            yield TLSReports(self.sessions, self._database, self._resolver, self._threads, submitter)

    async def look(self) -> None:
        """Send what is due.

        Raises:
            TemporaryError: the database can't be read or written now; it is sent next time.
        """
        if self._daily is not None:
            await self._daily.look()

    async def post(self) -> None:
        """Post what is due.

        Raises:
            TemporaryError: the database can't be read or written now; it is posted next time.
        """
        if self._posting is not None:
            await self._posting.look()

    async def close(self) -> None:
        """Write what is counted; nobody counts any more."""
        if self.evaluations is not None:
            await self.evaluations.stop()
        if self.sessions is not None:
            await self.sessions.stop()
        self._threads.stop()
