"""What the site gives to every plugin, whatever it is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.interfaces import IAccountMail, IDatabase, IEvaluations, IHTTPClient, INotices, IResolver
from twistedmail_mta.observe.silence import SILENCE
from twistedmail_mta.plugins import Kit, table_prefix
from twistedmail_mta.tasks import TaskGroup, WorkerPool


def _left_to_themselves(_: WorkerPool) -> None:
    """Threads that nobody ends."""


@dataclass(frozen=True, slots=True)
class Supplies:
    """What plugins have in common.

    Attributes:
        hostname: ours.
        clock: for their timers and time limits.
        now: seconds since the epoch.
        resolver: for their questions to the DNS.
        http: for those to web services.
        database: for their tables.
        threads: returns those of the plugin of a name, for what it does that takes long.
        account_mail: the queued mail of accounts.
        notices: for mail to the administrator.
        end_threads: told of threads that nobody needs any more.
        evaluations: counts what DMARC found; None where that is told nobody.
        rehearsal: they are for a dry run, and their log is read by nobody.
    """

    hostname: str
    clock: IReactorTime
    now: Callable[[], float]
    resolver: IResolver
    http: IHTTPClient
    database: IDatabase
    threads: Callable[[str], WorkerPool]
    account_mail: IAccountMail | None = None
    notices: INotices | None = None
    end_threads: Callable[[WorkerPool], None] = _left_to_themselves
    evaluations: IEvaluations | None = None
    rehearsal: bool = False

    def kit(self, name: str, tasks: TaskGroup, threads: WorkerPool) -> Kit:
        """Return what one plugin is given.

        Args:
            name: what the site file calls it.
            tasks: its own.
            threads: likewise.
        """
        return Kit(
            name=name,
            hostname=self.hostname,
            clock=self.clock,
            now=self.now,
            resolver=self.resolver,
            http=self.http,
            database=self.database,
            tasks=tasks,
            log=SILENCE if self.rehearsal else Logger(namespace=f"plugin.{name}"),
            prefix=table_prefix(name),
            _threads=threads,
            account_mail=self.account_mail,
            notices=self.notices,
            evaluations=self.evaluations,
            rehearsal=self.rehearsal,
        )

    def rehearsing(self, database: IDatabase) -> Supplies:
        """Return what plugins are given in a dry run.

        Args:
            database: forgets what they write.
        """
        return replace(self, database=database, account_mail=None, notices=None, evaluations=None, rehearsal=True)
