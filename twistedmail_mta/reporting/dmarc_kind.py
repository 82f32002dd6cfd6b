"""DMARC aggregate reports, as a kind of what is reported once a day (RFC 9990)."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from twistedmail_mta.dmarc.destinations import destinations
from twistedmail_mta.dmarc.report import AggregateReport, Metadata, Published, Row
from twistedmail_mta.dmarc.report_names import file_name, report_id, subject
from twistedmail_mta.dmarc.report_xml import written
from twistedmail_mta.dmarc.tree import Found, Records
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase, IResolver, Transaction
from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.report_mail import Enclosed
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.reporting.dmarc_form import case_of, published_of
from twistedmail_mta.reporting.dmarc_rows import KeptDay, cases_of, domains_of, find_day, forget_some
from twistedmail_mta.reporting.evaluations import DAY, Evaluations
from twistedmail_mta.reporting.kind import Letter, Sendings

T = TypeVar("T")

MOST_TEXT: Final = 1_000_000
"""Characters of all cases of a report: its mail is hardly larger, however little can be compressed."""
SILENT: Final = Reply(451, "4.4.3", "the DNS doesn't say who wants the report")


class Threads(Protocol):
    """Calls what takes long on a thread, as `WorkerPool.run` does."""

    def __call__(self, function: Callable[..., T], *arguments: Any) -> Awaitable[T]:  # noqa: ANN401 - the function's
        """Return what the function returns."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports.

    Attributes:
        host: this host's name.
        email: whom to ask about reports.
        generator: the program, and its version.
    """

    host: str
    email: str
    generator: str


@dataclass(frozen=True, slots=True)
class DMARCReports:
    """Makes the reports of a day from what was counted.

    Attributes:
        evaluations: what is counted now.
        database: what was counted.
        resolver: says who wants reports.
        in_thread: calls what takes long.
        reporter: this host.
    """

    evaluations: Evaluations
    database: IDatabase
    resolver: IResolver
    in_thread: Threads
    reporter: Reporter

    @property
    def name(self) -> str:
        """See `ReportKind.name`."""
        return "dmarc"

    async def keep(self) -> None:
        """See `ReportKind.keep`."""
        await self.evaluations.keep()

    def subjects(self, tx: Transaction, day: int, most: int) -> Sequence[str]:
        """See `ReportKind.subjects`: the domains whose policies applied."""
        return domains_of(tx, day, most)

    def forget(self, tx: Transaction, before: int) -> bool:
        """See `ReportKind.forget`."""
        return forget_some(tx, before)

    async def sendings(self, day: int, subject: str) -> Sendings:
        """See `ReportKind.sendings`: the same report to each address that the domain names now."""
        places = await self._places(subject)
        kept = await self.database.read(lambda tx: find_day(tx, day, subject))
        if not places or kept is None:
            return Sendings()
        cases, left_out = await self._cases(kept)
        letter = await self.in_thread(_letter_about, self.reporter, day, kept.published, cases, left_out)
        return Sendings([letter(place) for place in places])

    async def _places(self, domain: str) -> list[Address]:
        records = Records(self.resolver.texts)
        record = await records.at(domain)
        if record is None:
            return []
        found = await destinations(Found(domain, record), records, self.resolver.texts)
        places = [each for each in found.addresses if await self._takes_mail(each.domain)]
        if not places and found.unknown:
            raise TemporaryError(SILENT)
        return places

    async def _takes_mail(self, domain: str) -> bool:
        """Return whether a domain takes mail (RFC 7505), as far as that is known; else the queue finds it out."""
        try:
            return all(each.host for each in (await self.resolver.mx(domain)).records)
        except TemporaryError:
            return True

    async def _cases(self, kept: KeptDay) -> tuple[list[tuple[str, int]], int]:
        """Return the cases that a report has room for, and of how many messages it has none."""
        cases: list[tuple[str, int]] = []
        room, left_out, read = MOST_TEXT, kept.left_out, 0
        while some := await self.database.read(partial(cases_of, number=kept.id, offset=read)):
            read += len(some)
            for text, count in some:
                room -= len(text)
                if room >= 0:
                    cases.append((text, count))
                else:
                    left_out += count
        return cases, left_out


def _letter_about(
    reporter: Reporter, day: int, published: str, cases: Sequence[tuple[str, int]], left_out: int
) -> Callable[[Address], Letter]:
    """Make a report; return what makes a letter of it for an address.  A plain function, for a thread."""
    policy, begin = published_of(published), day * DAY
    domain, host = policy.domain, reporter.host
    metadata = Metadata(
        host, reporter.email, report_id(host, domain, begin), begin, begin + DAY - 1, generator=reporter.generator
    )
    rows = tuple(Row(case_of(text), count) for text, count in cases)
    octets = compressed(AggregateReport(metadata, policy, rows))
    enclosed = Enclosed("application/gzip", file_name(host, domain, metadata), octets)
    words = _words(metadata, policy, sum(row.count for row in rows), left_out)
    return lambda to: Letter(to, subject(host, domain, metadata), (), "mixed", words, enclosed)


def compressed(report: AggregateReport) -> bytes:
    """Return the file of a report: the same octets whenever it is made."""
    return gzip.compress(written(report), mtime=0)


def _words(metadata: Metadata, policy: Published, messages: int, left_out: int) -> str:
    lines = [
        f"This is an aggregate report of DMARC (RFC 9990) by {metadata.organization}: a file",
        "for programs, about mail that came there in the name of your domain.",
        "",
        f"Domain: {policy.domain}",
        f"From: {date_text(metadata.begin, 0)}",
        f"To: {date_text(metadata.end, 0)}",
        f"Messages: {messages}",
        *([f"Messages that there was no room for: {left_out}"] if left_out else []),
        "",
        "It was sent because the rua= of your domain's DMARC record, or whoever that",
        "names, asks for it.",
        "",
    ]
    return "\n".join(lines)
