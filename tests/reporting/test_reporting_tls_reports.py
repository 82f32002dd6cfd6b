"""The TLS reports of a day: who gets one, and what it looks like (RFC 8460 section 5)."""

from __future__ import annotations

import gzip
import json
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from reporting_lab import DAY, DOWN, NOON, TODAY, Lab
from twisted.internet.task import Clock

from twistedmail_mta.cli.offline import ImmediateDatabase, ImmediatePool
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Answer, InlineBody
from twistedmail_mta.reporting.tls_reports import Submitter, TLSReports
from twistedmail_mta.reporting.tls_sessions import TLSSessions
from twistedmail_mta.tags import DESPITE_TLS
from twistedmail_mta.tls_report.report import Failure, Policy

NONE = Policy("no-policy-found", "example.net")
EXPIRED = Failure("certificate-expired", "192.0.2.1", "mx.example.net", "192.0.2.2")
RECORD = b"v=TLSRPTv1; rua=mailto:reports@example.net,https://r.example.net/in"
BEGIN = (TODAY - 1) * DAY


class Names:
    """The TXT records of a few names."""

    def __init__(self) -> None:
        self.records: dict[str, Any] = {}
        self.asked: list[str] = []

    async def texts(self, name: str) -> Answer[bytes]:
        self.asked.append(name)
        found = self.records.get(name, [])
        if isinstance(found, Exception):
            raise found
        return Answer(tuple(found), "found" if found else "missing", 0.0)


class Scene:
    """A noon after a day with sessions."""

    def __init__(self, folder: Path) -> None:
        self.names = Names()
        self.names.records["_smtp._tls.example.net"] = [RECORD]
        self.lab = Lab(folder)
        self.lab.at = NOON - DAY
        database: Any = ImmediateDatabase(self.lab.rows)
        names: Any = self.names
        pool: Any = ImmediatePool()
        self.sessions = TLSSessions(database, Clock(), lambda: self.lab.at)
        submitter = Submitter(Address("postmaster", "example.org"), "mx.example.org")
        self.lab.kinds = (TLSReports(self.sessions, database, names, pool, submitter),)
        self.lab.restart()

    def next_day(self) -> None:
        """Let a day pass, and what is due be sent and posted."""
        self.lab.at += DAY
        self.lab.look()
        self.lab.post()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_mail(scene: Scene) -> None:
    """The mail is what RFC 8460 section 5.3 says, the file in it what sections 4.4, 5.1 and 5.2 say."""
    scene.sessions.note("example.net", NONE, None)
    scene.sessions.note("example.net", NONE, EXPIRED)
    scene.next_day()
    (message,) = scene.lab.messages
    assert isinstance(message.body, InlineBody)
    read = message_from_bytes(message.header + message.body.data, policy=policy.default)
    words, file = read.iter_parts()
    report_id = "20261130.example.net@mx.example.org"
    content = json.loads(gzip.decompress(file.get_payload(decode=True)))

    assert scene.lab.mail == ["reports@example.net"]
    assert message.tags == (DESPITE_TLS,)
    assert read["Subject"] == f"Report Domain: example.net Submitter: example.org Report-ID: <{report_id}>"
    assert read["TLS-Report-Domain"] == "example.net"
    assert read["TLS-Report-Submitter"] == "example.org"
    assert read["TLS-Required"] == "No"
    assert (read.get_content_type(), read.get_param("report-type")) == ("multipart/report", "tlsrpt")
    assert (words.get_content_type(), file.get_content_type()) == ("text/plain", "application/tlsrpt+gzip")
    assert file.get_filename() == f"example.org!example.net!{BEGIN}!{BEGIN + DAY - 1}.json.gz"
    assert content == {
        "organization-name": "example.org",
        "date-range": {"start-datetime": "2026-11-30T00:00:00Z", "end-datetime": "2026-11-30T23:59:59Z"},
        "contact-info": "postmaster@example.org",
        "report-id": report_id,
        "policies": [
            {
                "policy": {"policy-type": "no-policy-found", "policy-domain": "example.net"},
                "summary": {"total-successful-session-count": 1, "total-failure-session-count": 1},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "192.0.2.1",
                        "receiving-mx-hostname": "mx.example.net",
                        "receiving-ip": "192.0.2.2",
                        "failed-session-count": 1,
                    }
                ],
            }
        ],
    }


def test_post(scene: Scene) -> None:
    """The same octets are posted, under their media type (section 5.4)."""
    scene.sessions.note("example.net", NONE, None)
    scene.next_day()
    ((url, headers, body),) = scene.lab.web.posted
    (message,) = scene.lab.messages
    assert isinstance(message.body, InlineBody)
    read = message_from_bytes(message.header + message.body.data, policy=policy.default)

    assert (url, headers) == ("https://r.example.net/in", {"Content-Type": "application/tlsrpt+gzip"})
    assert body == list(read.iter_parts())[1].get_payload(decode=True)


@pytest.mark.parametrize("records", [[], [b"v=spf1 -all"], [RECORD, RECORD], [b"v=TLSRPTv1; rua=ftp://x.example/"]])
def test_not_wanted(scene: Scene, records: list[bytes]) -> None:
    """A domain without a record that leads somewhere gets nothing, and is asked once a day."""
    scene.names.records["_smtp._tls.example.net"] = records
    scene.sessions.note("example.net", NONE, None)
    scene.next_day()

    assert (scene.lab.mail, scene.lab.web.posted) == ([], [])
    assert scene.names.asked == ["_smtp._tls.example.net"]


def test_dns_down(scene: Scene) -> None:
    """If the DNS says nothing now, the report waits."""
    scene.names.records["_smtp._tls.example.net"] = DOWN
    scene.sessions.note("example.net", NONE, None)
    scene.next_day()
    early = scene.lab.mail
    scene.names.records["_smtp._tls.example.net"] = [RECORD]
    scene.lab.at += 3600
    scene.lab.look()

    assert early == []
    assert scene.lab.mail == ["reports@example.net"]


def test_each_day_its_own(scene: Scene) -> None:
    """A day without sessions has no report."""
    scene.sessions.note("example.net", NONE, None)
    scene.next_day()
    scene.next_day()
    scene.sessions.note("example.net", NONE, None)
    scene.next_day()
    ids = [(Header(message.header).get(b"Subject") or b"").split()[-1] for message in scene.lab.messages]

    assert ids == [b"<20261130.example.net@mx.example.org>", b"<20261202.example.net@mx.example.org>"]


def test_forgotten(scene: Scene) -> None:
    """What was counted goes some days later."""
    scene.sessions.note("example.net", NONE, None)
    for _ in range(5):
        scene.next_day()

    assert scene.lab.rows.read(lambda tx: list(tx.execute("SELECT count(*) FROM tls_day"))) == [(0,)]
