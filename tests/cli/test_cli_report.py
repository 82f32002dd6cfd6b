"""`mta report` on a real database with reports, and on files."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result
from dmarc_reports_seen import FASTMAIL, GOOGLE, MICROSOFT, SEEN, YAHOO
from mta_command import Command
from tls_reports_seen import GOOGLE as GOOGLE_TLS
from tls_reports_seen import MICROSOFT as MICROSOFT_TLS

from twistedmail_mta.cli import report_screen, report_text
from twistedmail_mta.reported import summary
from twistedmail_mta.reported.documents import document_in_file
from twistedmail_mta.reported.rows import Mailing, Word, add_lines, begin_report, finish_report
from twistedmail_mta.store.owner import make_state_directory
from twistedmail_mta.store.sync import SyncDatabase

DAY = 86_400


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is two days after the reports."""
    monkeypatch.setattr(time, "time", lambda: 1_796_083_200.0 + 2 * DAY)


def keep(
    command: Command, document: bytes, proof: Word = "pass", signer: str = "google.com", *, finished: bool = True
) -> None:
    """Put a report where the server would."""
    make_state_directory(command.state_dir)
    entry = document_in_file("x", document).entry
    assert entry is not None
    mailing = Mailing(1_796_170_000, signer or "evil.test", proof, signer)
    with SyncDatabase(command.state_dir / "mta.db") as database:
        kept, report = database.write(lambda tx: begin_report(tx, entry, mailing))
        assert kept == "begun"
        database.write(partial(add_lines, kind=entry.kind, report=report, first=0, lines=entry.lines))
        if finished:
            database.write(partial(finish_report, report=report))


def said(result: Result, status: int = 0) -> str:
    assert result.exit_code == status, result.output
    return result.output.strip()


def reading(command: Command) -> Command:
    command.file.write_text(command.file.read_text() + '[reports]\ninbox = "reports@example.org"\n')
    return command


def test_nothing_there(command: Command) -> None:
    """It is said why there is nothing: nobody reads reports, or none has come."""
    make_state_directory(command.state_dir)
    for words in (("report", "list"), ("report", "summary")):
        assert said(command(*words)).startswith("No reports are read: [reports] inbox")
    reading(command)
    for words in (("report", "list"), ("report", "summary")):
        assert said(command(*words)) == "No reports: none has come, or none is meant."
    assert command.json("report", "list") == []
    assert said(command("report", "show", "7"), 1) == "Error: there is no report 7"


def test_list(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each, the latest first, in pages; columns that don't depend on a terminal."""
    monkeypatch.setattr(summary, "PAGE", 2)
    for document in (GOOGLE, GOOGLE_TLS, YAHOO, FASTMAIL):
        keep(command, document)
    keep(command, MICROSOFT, "none", "")

    lines = said(command("report", "list")).split("\n")
    assert len(lines) == 6
    assert lines[1].split() == ["5", "dmarc", "example.org", "Enterprise", "Outlook", "2026-12-01", "1", "0", "-"]
    assert lines[-1].split() == ["1", "dmarc", "example.org", "google.com", "2026-12-01", "43", "2", "google.com"]
    listed = command.json("report", "list")
    assert [each["id"] for each in listed] == [5, 4, 3, 2, 1]
    assert listed[3] | {"id": 0, "lines": 0, "received_at": 0} == {
        "id": 0,
        "kind": "tls",
        "domain": "example.org",
        "organization": "Google Inc.",
        "report_id": "2026-12-01T00:00:00Z_example.org",
        "begins_at": 1_796_083_200,
        "ends_at": 1_796_169_599,
        "received_at": 0,
        "proof": "pass",
        "signer": "google.com",
        "lines": 0,
        "counted": 123,
        "failed": 3,
    }


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--kind", "tls"), [2]),
        (("--kind", "dmarc", "--domain", "example.org"), [3, 1]),
        (("--domain", "ORG"), [3, 2, 1]),
        (("--domain", "ample.org"), []),
        (("--domain", "sub.example.org"), []),
        (("--from", "Google"), [2, 1]),
        (("--from", "google.com"), [2, 1]),
        (("--from", "yahooinc.com"), [3]),
        (("--days", "2"), [3, 2, 1]),
    ],
)
def test_selection(command: Command, options: tuple[str, ...], found: list[int]) -> None:
    """By kind, domain, sender and age."""
    keep(command, GOOGLE)
    keep(command, GOOGLE_TLS)
    keep(command, YAHOO, signer="yahooinc.com")

    assert [each["id"] for each in command.json("report", "list", *options)] == found


def test_old_ones(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is about an older time isn't meant, unless that is said."""
    keep(command, GOOGLE)
    monkeypatch.setattr(time, "time", lambda: 1_796_169_600.0 + 31 * DAY)

    assert command.json("report", "list") == []
    assert len(command.json("report", "list", "--days", "32")) == 1


def test_incomplete(command: Command) -> None:
    """A report whose lines aren't all there isn't there yet."""
    keep(command, GOOGLE, finished=False)

    assert command.json("report", "list") == []
    assert command.json("report", "summary")["dmarc"] == []
    assert said(command("report", "show", "1"), 1) == "Error: there is no report 1"


def test_show(command: Command) -> None:
    """All that a report says, and how it came."""
    keep(command, GOOGLE)

    text = said(command("report", "show", "1"))
    assert text.startswith("Report 7245120958367458291 about mail in the name of example.org\n")
    assert "  came  2026-12-02 00:06 UTC, signed by google.com\n" in text
    assert "  by    google.com, noreply-dmarc-support@google.com, https://support.google.com/a/answer/2466580\n" in text
    assert "  policy quarantine, below it reject, of names that don't exist reject, DKIM relaxed, SPF strict\n" in text
    assert "forwarded: looks forwarded" in text
    shown = command.json("report", "show", "1")
    assert shown["published"]["policy"] == "quarantine"
    assert shown["lines"][1] == {
        "source": "2001:db8::7",
        "messages": 2,
        "disposition": "quarantine",
        "dkim": "fail",
        "spf": "fail",
        "author": "example.org",
        "overrides": [{"kind": "forwarded", "comment": "looks forwarded, downgrade to none"}],
        "sender": {"domain": "forged.test", "word": "softfail"},
    }


def test_narrow_screen(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal without room for a table a row takes a few lines, none of them too long."""
    monkeypatch.setattr(report_screen, "_narrow_width", lambda: 80)
    keep(command, GOOGLE)
    keep(command, GOOGLE_TLS)

    lines = said(command("report", "summary")).split("\n")
    assert max(map(len, lines)) < 80
    place = next(place for place, line in enumerate(lines) if "192.0.2.25" in line)
    assert lines[place : place + 3] == [
        "      41  192.0.2.25",
        "          Pass 41, DKIM 41, SPF 41, Refused 0, Signed example.org, Sender",
        "            example.org",
    ]
    assert "       2  mail.example.org" in lines
    shown = said(command("report", "show", "1")).split("\n")
    assert "          forwarded: looks forwarded, downgrade to none" in shown


def test_show_about_tls(command: Command) -> None:
    """Failures are explained."""
    keep(command, GOOGLE_TLS, "fail", "")

    text = said(command("report", "show", "1"))
    assert "no signature of the sender's domain verifies" in text
    assert "policy of example.org: sts (version: STSv1; mode: enforce" in text
    assert "your certificate had expired" in text
    assert "X509_V_ERR" in text


def test_summary(command: Command) -> None:
    """Who sends in a domain's name, what of it passes, and what others couldn't reach."""
    for document in (GOOGLE, YAHOO, FASTMAIL, GOOGLE_TLS, MICROSOFT_TLS):
        keep(command, document)

    text = said(command("report", "summary"))
    assert text.startswith("5 reports about the last 30 days\n\nMail in the name of example.org: 48 of 55 pass\n")
    rows = {line.split()[0]: line for line in text.split("\n") if line}
    assert rows["192.0.2.25"].rstrip().endswith(" yours")
    assert "signed by you; SPF fails" in rows["198.51.100.4"]
    assert "forged, or a service that isn't set up" in rows["192.0.2.77"]
    assert "TLS on the way to example.org: 164 of 167 sessions were right" in text
    assert "your certificate had expired" in rows["mail.example.org"] or "something else" in rows["mail.example.org"]
    shown = command.json("report", "summary", "--limit", "1")
    (mail,), (hosts,) = shown["dmarc"], shown["tls"]
    assert (shown["reports"], shown["proven"], shown["counted"]) == (5, 5, 5)
    assert (mail["messages"], mail["passed"], len(mail["sources"]), mail["more"]) == (55, 48, 1, 3)
    assert mail["sources"][0]["address"] == "192.0.2.25"
    assert (hosts["sessions"], hosts["successful"], hosts["results"][0]["told_by"], hosts["more"]) == (167, 164, 2, 2)


def test_summary_counts_what_is_proven(command: Command) -> None:
    """What may be anybody's is told of, and counts only if that is said."""
    keep(command, GOOGLE)
    keep(command, MICROSOFT, "none", "")
    keep(command, YAHOO, "unknown", "")

    assert "not counted: 2 that may be anybody's" in said(command("report", "summary"))
    assert [each["messages"] for each in command.json("report", "summary")["dmarc"]] == [43]
    assert [each["messages"] for each in command.json("report", "summary", "--unproven")["dmarc"]] == [51]
    assert command.json("report", "summary", "--from", "yahoo") | {"since": 0} == {
        "since": 0,
        "reports": 1,
        "proven": 0,
        "counted": 0,
        "dmarc": [],
        "tls": [],
    }


@pytest.mark.parametrize("name", sorted(SEEN))
@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "packed"])
def test_read(command: Command, tmp_path: Path, name: str, packed: Callable[[bytes], bytes]) -> None:
    """Files are read without a site: nothing is looked for but the file."""
    file = tmp_path / "report"
    file.write_bytes(packed(SEEN[name]))
    command.file.unlink()

    assert "about mail in the name of example.org" in said(command("report", "read", str(file)))
    (read,) = command.json("report", "read", str(file))["reports"]
    assert read["kind"] == "dmarc"
    assert read["lines"]


def test_read_mail(command: Command, tmp_path: Path) -> None:
    """A mail as people keep it, with lines that end in LF; what can't be read is told, with a status of its own."""
    file = tmp_path / "mail.eml"
    boundary = "--b\nContent-Type: application/xml; name=a.xml\n\n"
    head = "From ann Mon\nFrom: a@example.net\nContent-Type: multipart/mixed; boundary=b\n\n"
    file.write_text(head + boundary + YAHOO.decode() + "\n" + boundary + "<html/>\n--b--\n")

    text = said(command("report", "read", str(file)), 1)
    assert "by    Yahoo" in text
    assert "a.xml: it is XML, but no <feedback>" in text
    result = command("--json", "report", "read", str(file))
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert ([each["organization"] for each in found["reports"]], found["problems"]) == (
        ["Yahoo"],
        [{"name": "a.xml", "problem": "it is XML, but no <feedback>"}],
    )


@pytest.mark.parametrize("content", [b"", b"Hello\n", b"\xff\xfe\x00", b"PK\x03\x04", b"{}"])
def test_read_no_report(command: Command, tmp_path: Path, content: bytes) -> None:
    """One line, no traceback."""
    file = tmp_path / "x"
    file.write_bytes(content)

    result = command("report", "read", str(file))
    assert said(result, 1)
    assert "\n" not in said(result, 1)


def test_strangers_command_no_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a report says can't, anywhere; lines without end are cut."""
    monkeypatch.setattr(report_text, "MOST_LINES", 1)
    monkeypatch.setattr("twistedmail_mta.cli.report.MOST_LINES", 1)
    nasty = GOOGLE.replace(b"google.com", "\u009b31mred\u202e".encode()).replace(b"softfail", b"pass")
    keep(command, nasty)

    for words in (("list",), ("show", "1"), ("summary",)):
        text = said(command("report", *words))
        assert not [letter for letter in text if letter != "\n" and not letter.isprintable()]
    assert "and 1 more: --json prints all" in said(command("report", "show", "1"))
