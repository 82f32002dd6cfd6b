"""DMARC aggregate reports: what was counted yesterday is told to who asks for it, once, in the form of RFC 9990."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from reporting_kit import BANK, CASE, DAY, Counting

from twistedmail_mta.dmarc.report import AggregateReport, Metadata
from twistedmail_mta.dmarc.report_names import report_id
from twistedmail_mta.dmarc.report_reader import read_report
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Address, InlineBody, Message
from twistedmail_mta.reporting import dmarc_kind
from twistedmail_mta.reporting.daily import DailyReports
from twistedmail_mta.reporting.dmarc_form import case_text
from twistedmail_mta.reporting.dmarc_kind import DMARCReports, Reporter
from twistedmail_mta.reporting.dmarc_rows import forget_some
from twistedmail_mta.reporting.kind import ReportKind
from twistedmail_mta.reporting.outgoing import Outgoing
from twistedmail_mta.reporting.unwanted import Unwanted
from twistedmail_mta.tasks import Task
from twistedmail_mta.testing.surroundings import AtOnce

HOST = "mx.home.test"
OURS = Address("postmaster", "home.test")


class Site:
    """Counts mail of a day, and reports it the next; what is sent is kept in its database, as the queue's mail is."""

    def __init__(self) -> None:
        self.counting = Counting()
        self.around = self.counting.around
        self.names = self.around.names
        self.messages: dict[int, Message] = {}
        self.wants("bank.test", "mailto:dmarc@bank.test")
        self.note = self.counting.note
        self._insert("CREATE TABLE sent_mail (id INTEGER)")
        self.restart()

    def wants(self, domain: str, rua: str) -> None:
        """Let a domain want reports."""
        self.names.add(f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=reject; rua={rua}".encode())

    def restart(self) -> None:
        """Let another process begin, after an orderly end of this one."""
        self._run(self.counting.evaluations.stop())
        self.counting = Counting(self.around)
        self.note = self.counting.note
        self._begin(self._reports())

    def turn_off(self) -> None:
        """Let another process begin, whose site file wants no reports."""
        self._run(self.counting.evaluations.stop())
        self._begin(Unwanted("dmarc", forget_some))

    def _reports(self) -> DMARCReports:
        reporter = Reporter(HOST, str(OURS), "twistedmail-mta 1")
        return DMARCReports(self.counting.evaluations, self.around.database, self.names, AtOnce().run, reporter)

    def _begin(self, kind: ReportKind) -> None:
        outgoing = Outgoing(OURS, HOST, self._new_id, self.around.now, _sign, self._insertion, lambda: None)
        self.daily = DailyReports([kind], self.around.database, outgoing, self.around.now, lambda: 0.0)

    def next_day(self) -> None:
        """Let a day pass, and send what is due then."""
        self.around.clock.advance(86400)
        self.look()

    def look(self) -> None:
        """Send what is due."""
        self._run(self.daily.look())

    @property
    def mail(self) -> list[Message]:
        """Return the mail that is in the queue."""
        return [self.messages[number] for (number,) in self.around.database.rows("SELECT id FROM sent_mail")]

    @property
    def told(self) -> list[str]:
        """Return who is told something."""
        return [str(each.envelope.recipients[0].address) for each in self.mail]

    def _new_id(self) -> int:
        return len(self.messages) + 1

    def _insertion(self, message: Message) -> Callable[[Transaction], None]:
        self.messages[message.id] = message
        return lambda tx: list(tx.execute("INSERT INTO sent_mail VALUES (?)", (message.id,))) and None

    def _insert(self, sql: str) -> None:
        self._run(self.around.database.write(lambda tx: list(tx.execute(sql))))

    @staticmethod
    def _run(coroutine: Any) -> None:
        task = Task("test", coroutine)
        assert task.done
        Task("test.result", _result(task))


async def _result(task: Task[Any]) -> None:
    await task


async def _sign(message: Message) -> bytes:
    return b"DKIM-Signature: x\r\n"


def parsed(message: Message) -> EmailMessage:
    """Read a mail as the standard library does."""
    assert isinstance(message.body, InlineBody)
    found = message_from_bytes(message.header + message.body.data, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def report_in(message: Message) -> AggregateReport:
    """Return the report in a mail."""
    (attachment,) = parsed(message).iter_attachments()
    return read_report(gzip.decompress(attachment.get_content())).report


@pytest.fixture
def site() -> Site:
    """Return a site that was asked for reports by a bank."""
    return Site()


def test_a_report_of_yesterday(site: Site) -> None:
    """Who asked gets what was counted, with the policy that applied, and nothing of today."""
    site.note()
    site.note()
    site.note("192.0.2.2")
    assert site.told == []
    site.next_day()

    (mail,) = site.mail
    assert site.told == ["dmarc@bank.test"]
    begin = DAY * 86400
    identifier = report_id(HOST, "bank.test", begin)
    report = report_in(mail)
    assert report.metadata == Metadata(HOST, str(OURS), identifier, begin, begin + 86399, generator="twistedmail-mta 1")
    assert report.published == BANK
    assert {(row.case, row.count) for row in report.rows} == {
        (CASE, 2),
        (replace(CASE, source="192.0.2.2"), 1),
    }


def test_the_mail(site: Site) -> None:
    """Subject, file name and type are those of RFC 9990 section 3.5.2; nobody is told if it can't be delivered."""
    site.note()
    site.next_day()

    (mail,) = site.mail
    found = parsed(mail)
    (attachment,) = found.iter_attachments()
    begin = DAY * 86400
    identifier = report_id(HOST, "bank.test", begin)
    assert found["Subject"] == f"Report Domain: bank.test Submitter: {HOST} Report-ID: <{identifier}>"
    assert attachment.get_filename() == f"{HOST}!bank.test!{begin}!{begin + 86399}!{identifier}.xml.gz"
    assert attachment.get_content_type() == "application/gzip"
    assert found.get_content_type() == "multipart/mixed"
    assert found["From"] == str(OURS)
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["DKIM-Signature"] == "x"
    assert mail.envelope.sender.is_null
    words = found.get_body()
    assert words is not None
    assert "Messages: 1" in words.get_content().splitlines()
    assert all(len(line) <= 998 for line in mail.header.splitlines())


def test_sent_once(site: Site) -> None:
    """However often the server looks, and starts."""
    site.note()
    site.next_day()
    site.look()
    site.restart()
    site.look()
    site.next_day()

    assert site.told == ["dmarc@bank.test"]


def test_a_restart_loses_nothing(site: Site) -> None:
    """What two processes counted is one report, also if nothing ran at midnight."""
    site.note()
    site.restart()
    site.note()
    site.around.clock.advance(86400)
    site.restart()
    site.note("192.0.2.9")
    site.look()

    (row,) = report_in(site.mail[0]).rows
    assert row.count == 2
    site.next_day()
    (row,) = report_in(site.mail[1]).rows
    assert (row.case.source, row.count) == ("192.0.2.9", 1)


def test_what_waits_at_midnight_belongs_to_yesterday(site: Site) -> None:
    """What isn't written yet then is written before it is reported."""
    site.around.clock.advance((DAY + 1) * 86400 - site.around.now() - 1)
    site.note()
    site.around.clock.advance(1)
    site.look()

    assert site.told == ["dmarc@bank.test"]


def test_who_asks_no_more(site: Site) -> None:
    """It is asked again when the report is due: without a record, or rua=, there is none."""
    site.note()
    site.note(domain="silent.test")
    site.next_day()

    assert site.told == ["dmarc@bank.test"]
    assert site.around.database.rows("SELECT count(*) FROM report_due") == [(0,)]


def test_elsewhere_only_if_confirmed(site: Site) -> None:
    """Nobody has reports sent to a stranger (RFC 9990 section 4)."""
    site.wants("evil.test", "mailto:victim@bystander.test,mailto:reports@service.test")
    site.names.add("evil.test._report._dmarc.service.test", "TXT", b"v=DMARC1")
    site.note(domain="evil.test")
    site.next_day()

    assert site.told == ["reports@service.test"]


def test_never_to_a_null_mx(site: Site) -> None:
    """A domain that takes no mail isn't sent any (RFC 7505)."""
    site.wants("null.test", "mailto:dmarc@null.test")
    site.names.add("null.test", "MX", (0, ""))
    site.note(domain="null.test")
    site.note()
    site.next_day()

    assert site.told == ["dmarc@bank.test"]


def test_several_get_the_same(site: Site) -> None:
    """Each a mail of its own, with the same identifier."""
    site.wants("two.test", "mailto:a@two.test,mailto:b@two.test")
    site.note(domain="two.test")
    site.next_day()

    assert site.told == ["a@two.test", "b@two.test"]
    first, second = site.mail
    assert report_in(first) == report_in(second)


def test_reports_alone_are_not_reported(site: Site) -> None:
    """A host that sends nothing but reports gets none: that would go on for ever."""
    site.note(is_report=True)
    site.next_day()
    assert site.told == []


def test_the_dns_is_silent(site: Site) -> None:
    """It is tried again; then it is sent once."""
    site.note()
    site.names.broken.add("_dmarc.bank.test")
    site.next_day()
    assert site.told == []

    site.names.broken.clear()
    site.around.clock.advance(3600)
    site.look()
    assert site.told == ["dmarc@bank.test"]


def test_only_others_are_unknown(site: Site) -> None:
    """Who is known is told at once; where nobody is, it is tried again."""
    site.wants("two.test", "mailto:a@two.test,mailto:b@far.test")
    site.wants("far.test", "mailto:b@else.test")
    site.names.broken |= {"two.test._report._dmarc.far.test", "far.test._report._dmarc.else.test"}
    site.note(domain="two.test")
    site.note(domain="far.test")
    site.next_day()

    assert site.told == ["a@two.test"]
    assert site.around.database.rows("SELECT subject FROM report_due") == [("far.test",)]


def test_a_report_has_a_size(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of most messages come first; people are told how many messages there was no room for."""
    monkeypatch.setattr(dmarc_kind, "MOST_TEXT", 2 * len(case_text(CASE)))
    for number in range(5):
        for _ in range(number + 1):
            site.note(f"192.0.2.{number}")
    site.next_day()

    (mail,) = site.mail
    rows = report_in(mail).rows
    assert [row.count for row in rows] == [5, 4]
    words = parsed(mail).get_body()
    assert words is not None
    assert "Messages that there was no room for: 6" in words.get_content().splitlines()


def test_days_are_forgotten(site: Site) -> None:
    """Nothing is left of what was reported some days ago."""
    site.note()
    for _ in range(6):
        site.next_day()
    for table in ("dmarc_day", "dmarc_case", "report_due"):
        assert site.around.database.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def test_turned_off(site: Site) -> None:
    """Nothing is sent any more, also of what was due; what was counted goes like that of other days."""
    site.note()
    site.names.broken.add("_dmarc.bank.test")
    site.next_day()
    site.note()
    site.names.broken.clear()
    site.turn_off()
    for _ in range(6):
        site.next_day()

    assert site.told == []
    for table in ("dmarc_day", "dmarc_case", "report_due"):
        assert site.around.database.rows(f"SELECT count(*) FROM {table}") == [(0,)]
