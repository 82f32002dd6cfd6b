"""The TLS reports of a day: what was counted, for each domain whose record asks for it (RFC 8460)."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from twistedmail_mta.interfaces import IDatabase, IResolver, Transaction
from twistedmail_mta.mail.report_mail import Enclosed
from twistedmail_mta.model import Address
from twistedmail_mta.reporting import tls_rows
from twistedmail_mta.reporting.kind import Letter, Post, Sendings
from twistedmail_mta.reporting.tls_sessions import TLSSessions
from twistedmail_mta.tags import DESPITE_TLS
from twistedmail_mta.tasks import WorkerPool
from twistedmail_mta.tls_report.record import destinations
from twistedmail_mta.tls_report.report import DAY, Report
from twistedmail_mta.tls_report.writing import written

GZIP: Final = "application/tlsrpt+gzip"
"""RFC 8460 section 6.4."""

_TEXT: Final = """\
This is a report about TLS (RFC 8460): how the sessions went in which {submitter}
offered mail to the mail hosts of {domain} on {date}, UTC.
Its domain asks for it by the TXT record of _smtp._tls.{domain}.

Sessions that were as they should be: {successful}
Sessions that were not: {failed}

The file holds the details, as JSON.
"""


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who reports.

    Attributes:
        author: whom reports are from, and who may be asked; his domain names the sender of the mail.
        host: this host's name, which tells its reports from those of others of that domain.
    """

    author: Address
    host: str


@dataclass(frozen=True, slots=True)
class TLSReports:
    """The `ReportKind` of TLS sessions.

    Attributes:
        sessions: counts them.
        database: has them.
        resolver: for the records that ask for reports.
        threads: where reports are written and compressed.
        submitter: who reports.
    """

    sessions: TLSSessions
    database: IDatabase
    resolver: IResolver
    threads: WorkerPool
    submitter: Submitter
    name: str = "tls"

    async def keep(self) -> None:
        """See `ReportKind.keep`."""
        await self.sessions.keep()

    def subjects(self, tx: Transaction, day: int, most: int) -> Sequence[str]:
        """See `ReportKind.subjects`: the domains that mail was for."""
        return tls_rows.domains_of(tx, day, most)

    def forget(self, tx: Transaction, before: int) -> bool:
        """See `ReportKind.forget`."""
        return tls_rows.forget(tx, before)

    async def sendings(self, day: int, subject: str) -> Sendings:
        """See `ReportKind.sendings`."""
        wanted = destinations((await self.resolver.texts(f"_smtp._tls.{subject}")).records)
        if wanted is None:
            return Sendings()
        results = await self.database.read(lambda tx: tls_rows.results_of(tx, day, subject))
        if not results:
            return Sendings()
        submitter = self.submitter
        report = Report(
            submitter.author.domain,
            str(submitter.author),
            f"{_date(day, '%Y%m%d')}.{subject}@{submitter.host}",
            day * DAY,
            (day + 1) * DAY - 1,
            results,
        )
        packed = await self.threads.run(_packed, report)
        letter = _letter(report, subject, submitter.author.domain, packed)
        return Sendings([letter(to) for to in wanted.mail], [Post(url, GZIP, packed) for url in wanted.web])


def _letter(report: Report, domain: str, submitter: str, packed: bytes) -> Callable[[Address], Letter]:
    """Return what makes the mail for an address (RFC 8460 section 5.3).

    It asks others on its way to try TLS and go on without, too (RFC 8689 section 3).
    """
    name = f"{submitter}!{domain}!{report.begins_at}!{report.ends_at}.json.gz"
    text = _TEXT.format(
        submitter=submitter,
        domain=domain,
        date=_date(report.begins_at // DAY, "%Y-%m-%d"),
        successful=sum(each.successful for each in report.results),
        failed=sum(each.failed for each in report.results),
    )

    def letter(to: Address) -> Letter:
        return Letter(
            to=to,
            subject=f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{report.id}>",
            fields=(
                ("TLS-Report-Domain", domain),
                ("TLS-Report-Submitter", submitter),
                ("TLS-Required", "No"),
            ),
            kind='report; report-type="tlsrpt"',
            text=text,
            enclosed=Enclosed(GZIP, name, packed),
            tags=(DESPITE_TLS,),
        )

    return letter


def _packed(report: Report) -> bytes:
    """Return the report as it is sent; the same octets each time."""
    return gzip.compress(written(report), mtime=0)


def _date(day: int, form: str) -> str:
    return datetime.fromtimestamp(day * DAY, UTC).strftime(form)
