"""The reading of reports that others send, put together."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.accounts import address_key
from twistedmail_mta.interfaces import IDatabase, IResolver
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.reported.proof import Prover
from twistedmail_mta.reported.reader import ReportReader, Terms
from twistedmail_mta.tasks import WorkerPool


def report_reader(  # noqa: PLR0913, PLR0917 - all that it is made of
    site: Site,
    clock: IReactorTime,
    resolver: IResolver,
    database: IDatabase,
    mailboxes: MailboxStore,
    threads: WorkerPool,
    hosts: Callable[[str], bool],
) -> ReportReader | None:
    """Return what reads reports; None where the site file names no account that they come to.

    Args:
        site: the site file.
        clock: for what is asked.
        resolver: for keys.
        database: keeps reports.
        mailboxes: where they come to.
        threads: where they are read.
        hosts: whether mail for a domain is kept here.
    """
    table = site.reports
    if not table.inbox:
        return None
    others = {site.server.hostname, *site.relayed, *table.about}

    def is_ours(domain: str) -> bool:
        """Return whether it is a domain of this host, or one below."""
        labels = domain.split(".")
        above = (".".join(labels[place:]) for place in range(len(labels)))
        return any(name in others or hosts(name) for name in above)

    prover = Prover(resolver, clock, threads.run, site.server.hostname)
    accounts = tuple(map(address_key, table.inbox))
    terms = Terms(accounts, table.after_reading, table.keep)
    return ReportReader(database, mailboxes, prover, threads, is_ours, time.time, terms)
