"""Mail with reports is read once, whatever is wrong with it, and loses nothing."""

from __future__ import annotations

import gzip
import json
import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from dkim_made import rsa_record
from dmarc_reports_seen import GOOGLE, MICROSOFT
from mail_at_rest import run
from reported_lab import ACCOUNT, AT, KEEP, Lab, packed_mail, report_mail, signed, started
from tls_reports_seen import GOOGLE as GOOGLE_TLS

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox.stored import Stored
from twistedmail_mta.model import FileBody, Reply
from twistedmail_mta.reported import reader, rows
from twistedmail_mta.reported.proof import AGAIN_AFTER
from twistedmail_mta.reported.reader import MOST_WAITING
from twistedmail_mta.tasks import Cancelled, Promise

PLAIN = b"From: ann@example.org\r\nSubject: lunch?\r\n\r\n<b>{Hello}</b>\r\n"
BUSY = TemporaryError(Reply(451, "4.3.2", "Too busy"))


def test_kept_with_its_proof() -> None:
    """A signed report is kept with who signed it, and its lines; other mail isn't looked at."""
    lab = Lab()
    lab.receive(PLAIN, signed(packed_mail(GOOGLE)), PLAIN)

    said = lab.look()

    assert lab.kept() == [("dmarc", "google.com", "pass", "google.com")]
    assert lab.kept("domain, begins_at, received_at, author, lines") == [
        ("example.org", 1_796_083_200, AT, "google.com", 2)
    ]
    assert lab.rest.rows("SELECT source, messages, dkim, spf FROM received_case ORDER BY n") == [
        ("192.0.2.25", 41, "pass", "pass"),
        ("2001:db8::7", 2, "fail", "fail"),
    ]
    ((detail,),) = lab.rest.rows("SELECT detail FROM received_case WHERE n = 1")
    assert json.loads(detail)["sender"] == {"domain": "forged.test", "word": "softfail"}
    assert len(said) == 1
    assert lab.uids() == [1, 2, 3]


def test_about_tls() -> None:
    """As JSON; sessions that were right are a line of their own."""
    lab = Lab()
    lab.receive(signed(packed_mail(GOOGLE_TLS, kind="application/tlsrpt+gzip", name="g.json.gz")))

    lab.look()

    assert lab.kept("kind, domain, proof") == [("tls", "example.org", "pass")]
    assert lab.rest.rows("SELECT mx_host, result, sessions FROM received_session ORDER BY n") == [
        ("", "", 120),
        ("mail.example.org", "certificate-expired", 2),
        ("mail.example.org", "validation-failure", 1),
    ]


@pytest.mark.parametrize(
    ("mail", "proof"),
    [
        (packed_mail(GOOGLE), "none"),
        (signed(packed_mail(GOOGLE)).replace(b"Report-ID: 1", b"Report-ID: 2"), "fail"),
        (signed(packed_mail(GOOGLE), "evil.test"), "fail"),
        (signed(packed_mail(GOOGLE, author="a@sub.google.com")), "pass"),
        (signed(packed_mail(GOOGLE, author="a@notgoogle.com")), "fail"),
    ],
    ids=["unsigned", "changed", "by another", "above", "beside"],
)
def test_proofs(mail: bytes, proof: str) -> None:
    """Only a signature of the author's domain, or of one above it, proves who reports."""
    lab = Lab()
    lab.names.add("r._domainkey.evil.test", "TXT", *lab.names._records["r._domainkey.google.com", "TXT"])
    lab.receive(mail)
    lab.look()

    assert lab.kept("proof") == [(proof,)]


def test_aligned() -> None:
    """A signature of a domain below the author's is theirs, as far as DMARC says so."""
    lab = Lab()
    lab.names.add("r._domainkey.out.google.com", "TXT", rsa_record())
    lab.names.add("_dmarc.google.com", "TXT", b"v=DMARC1; p=reject")
    lab.receive(signed(packed_mail(GOOGLE), "out.google.com"))
    lab.look()

    assert lab.kept("proof, signer") == [("pass", "out.google.com")]


def test_keys_for_reports_alone() -> None:
    """A key that is for TLS reports alone signs them, and no others."""
    lab = Lab()
    lab.names.add("r._domainkey.google.com", "TXT", rsa_record(tags="v=DKIM1; s=tlsrpt; "))
    lab.receive(signed(packed_mail(GOOGLE_TLS, name="g.json.gz")), signed(packed_mail(GOOGLE)))
    lab.look()

    assert lab.kept("kind, proof") == [("tls", "pass"), ("dmarc", "fail")]


def test_dns_that_doesnt_answer() -> None:
    """It is asked again after a while; the report is kept then in any case."""
    lab = Lab()
    lab.names.broken.add("r._domainkey.google.com")
    lab.receive(signed(packed_mail(GOOGLE)), signed(packed_mail(MICROSOFT)))
    looked = started(lab.reader.look())
    assert not lab.kept()

    lab.clock.advance(AGAIN_AFTER)
    lab.names.broken.clear()
    lab.clock.advance(AGAIN_AFTER)

    assert looked.called
    assert lab.kept("organization, proof") == [("google.com", "unknown"), ("Enterprise Outlook", "pass")]


def test_counted_once() -> None:
    """The same report again, in another mail, to another mailbox, later; not if another proves to send it."""
    lab = Lab(accounts=(ACCOUNT, "user2@example.org", "gone@example.org"))
    mail = signed(packed_mail(GOOGLE))
    lab.receive(mail, mail, packed_mail(GOOGLE))
    lab.receive(mail, account=2)
    said = lab.look()
    lab.receive(mail)
    said += lab.look()

    assert lab.kept("organization, proof") == [("google.com", "pass"), ("google.com", "none")]
    assert sum("was there before" in line for line in said) == 3
    assert [line for line in said if "no account" in line] == [
        "no reports are read: there is no account gone@example.org"
    ]
    assert len(said) == 6


def test_looked_at_once() -> None:
    """A mail that was looked at isn't again, not even by another process."""
    lab = Lab()
    lab.receive(packed_mail(b"<no/>"))
    assert len(lab.look()) == 1
    lab.restart()

    assert lab.look() == []


BROKEN = {
    "no report": (packed_mail(b"<html></html>"), "no <feedback>"),
    "cut off": (report_mail(gzip.compress(GOOGLE)[:-30]), "cut off"),
    "bomb": (report_mail(gzip.compress(bytes(40 << 20))), "more than 25165824 octets"),
    "entities": (packed_mail(b'<!DOCTYPE feedback [<!ENTITY a "b">]><feedback/>'), "document type"),
    "deep": (packed_mail(b'{"policies":' + b"[" * 1000), "deep"),
    "neither": (packed_mail(b"hello"), "neither XML nor JSON"),
    "foreign": (signed(packed_mail(GOOGLE.replace(b"example.org", b"example.net"))), "none of this host's domains"),
    "large": (report_mail(bytes(13 << 20)), "more than 16777216"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken(name: str) -> None:
    """One line says why, with no traceback; what is behind it is read, and the mail stays, whatever others do."""
    mail, why = BROKEN[name]
    lab = Lab("delete")
    lab.receive(mail, signed(packed_mail(GOOGLE)))

    first, second = lab.look()

    assert why in first
    assert "kept" in second
    assert len(lab.kept()) == 1
    assert lab.uids() == [1]


def test_several_in_a_mail() -> None:
    """What can be read is kept; as long as something can't, the mail stays."""
    lab = Lab("delete")
    message = message_from_bytes(packed_mail(GOOGLE), policy=SMTP)
    assert isinstance(message, EmailMessage)
    message.add_attachment(b"<html/>", "application", "xml", filename="x.xml")
    lab.receive(message.as_bytes())

    assert ["isn't kept" in line for line in lab.look()] == [True, False]
    assert lab.kept("organization") == [("google.com",)]
    assert lab.uids() == [1]


def test_many_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are looked at in pieces, by number and by size, and none is left out."""
    monkeypatch.setattr(reader, "MAILS_AT_ONCE", 4)
    monkeypatch.setattr(reader, "_MOST_STRUCTURES", 100)
    lab = Lab()
    reports = [packed_mail(GOOGLE.replace(b"7245120958367458291", b"%d" % n)) for n in range(9)]
    lab.receive(*(mail for report in reports for mail in (PLAIN, report)))
    lab.look()

    assert lab.kept("report_id") == [(str(n),) for n in range(9)]


def test_bug() -> None:
    """A mail that breaks the reader is passed over, and logged as a bug; if no thread has time it is read later."""
    lab = Lab()
    lab.receive(packed_mail(GOOGLE))
    lab.threads.failure = BUSY
    with pytest.raises(TemporaryError):
        lab.look()
    lab.threads.failure = RecursionError()
    assert lab.look() == ["failure"]
    assert lab.look() == []

    lab.threads.failure = None
    lab.receive(packed_mail(MICROSOFT))
    lab.look()
    assert lab.kept("organization") == [("Enterprise Outlook",)]


def test_bug_in_keeping() -> None:
    """A mail whose proof or report can't be kept for a reason that doesn't pass is told of once, and passed over."""
    lab = Lab()
    lab.receive(signed(packed_mail(GOOGLE)))
    lab.receive(signed(packed_mail(MICROSOFT)))
    find, lab.names.texts = lab.names.texts, _broken  # type: ignore[method-assign]
    said = lab.look()
    lab.names.texts = find  # type: ignore[method-assign]

    assert said == ["failure", "failure"]
    assert lab.look() == []
    lab.receive(signed(packed_mail(GOOGLE)))
    lab.look()
    assert lab.kept("organization") == [("google.com",)]


async def _broken(_: str) -> None:
    raise OverflowError


def test_file_that_cant_be_read() -> None:
    """What passes in time loses nothing; a file that is gone for good doesn't keep all later mail from being read."""
    lab = Lab()
    lab.receive(packed_mail(GOOGLE), file=True)
    lab.receive(packed_mail(MICROSOFT))
    read, lab.rest.store.read = lab.rest.store.read, _gone(lab)  # type: ignore[method-assign]
    for seconds in (0.0, MOST_WAITING - 1):
        lab.rest.clock.advance(seconds)
        with pytest.raises(TemporaryError):
            lab.look()
    assert lab.kept() == []
    lab.rest.clock.advance(1)
    said = lab.look()

    lab.rest.store.read = read  # type: ignore[method-assign]
    assert "can't be read for 3600 seconds" in said[0]
    assert lab.kept("organization") == [("Enterprise Outlook",)]
    assert lab.look() == []


def _gone(lab: Lab) -> Any:
    """Return what reads bodies, but for the files."""
    read = lab.rest.store.read

    async def read_some(stored: Stored, offset: int, size: int) -> bytes:
        if isinstance(stored.body, FileBody):
            raise BUSY
        return await read(stored, offset, size)

    return read_some


def test_cancelled_meanwhile() -> None:
    """A server that ends while a thread reads a mail reads that mail again when it is back."""
    lab = Lab()
    lab.receive(packed_mail(GOOGLE))
    thread: Promise[None] = Promise()
    lab.threads.run = lambda *_: thread  # type: ignore[method-assign, assignment, return-value]
    looked = started(lab.reader.look())
    looked.addErrback(lambda failure: failure.trap(Cancelled))
    looked.cancel()
    del lab.threads.run  # type: ignore[method-assign]
    lab.restart()
    lab.look()

    assert lab.kept("organization") == [("google.com",)]


def test_database_that_cant_be_written() -> None:
    """Reading goes on there the next time."""
    lab = Lab()
    lab.receive(signed(packed_mail(GOOGLE)))
    write, lab.rest.database.write = lab.rest.database.write, _busy  # type: ignore[method-assign]
    with pytest.raises(TemporaryError):
        lab.look()
    lab.rest.database.write = write  # type: ignore[method-assign]

    lab.look()
    assert lab.kept("proof") == [("pass",)]


async def _busy(*_: object, **__: object) -> None:
    raise BUSY


@pytest.mark.parametrize(("after", "left", "trash"), [("keep", [1, 2], []), ("delete", [2], []), ("trash", [2], [1])])
def test_what_becomes_of_the_mail(after: str, left: list[int], trash: list[int]) -> None:
    """What is kept of it decides: other mail stays where it is."""
    lab = Lab(after)  # type: ignore[arg-type]
    lab.receive(signed(packed_mail(GOOGLE)), PLAIN)
    lab.look()

    assert lab.uids() == left
    if trash:
        assert lab.uids("Trash") == trash
    lab.rest.assert_sound()


def test_long_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept in pieces, and count when all are there; what a crash leaves is begun anew."""
    monkeypatch.setattr("twistedmail_mta.reported.reader.LINES_AT_ONCE", 10)
    begin, record, end = GOOGLE.partition(b"<record>")[0], b"<record>", b"</record>"
    row = record + GOOGLE.partition(record)[2].partition(end)[0] + end
    lab = Lab()
    lab.receive(signed(packed_mail(begin + row * 35 + b"</feedback>")), file=True)
    finish = rows.finish_report
    monkeypatch.setattr("twistedmail_mta.reported.reader.finish_report", _crash)
    with pytest.raises(TemporaryError):
        lab.look()
    assert lab.kept() == []

    monkeypatch.setattr("twistedmail_mta.reported.reader.finish_report", finish)
    lab.restart()
    lab.look()

    assert lab.kept("lines") == [(35,)]
    assert lab.rest.rows("SELECT count(*), sum(messages) FROM received_case") == [(35, 35 * 41)]
    assert lab.rest.rows("SELECT lines FROM received_lines") == [(35,)]


def _crash(*_: object, **__: object) -> None:
    raise BUSY


def test_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sender can't fill the database in a day, nor all together; who proves nothing counts as one."""
    monkeypatch.setattr(rows, "MOST_A_DAY", 2)
    reports = _numbered(3)
    lab = Lab()
    lab.receive(*reports, *map(signed, reports))
    said = lab.look()

    assert [line for line in said if "too many" in line] == [said[2], said[5]]
    assert len(lab.kept()) == 4

    monkeypatch.setattr(rows, "MOST_A_DAY", 100)
    monkeypatch.setattr(rows, "MOST_LINES", 9)
    lab.receive(reports[2], signed(reports[2]))
    assert ["as many as are kept" in line for line in lab.look()] == [True, True]


def test_lines_of_a_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender of few reports with very many rows can't fill the database in a day, either."""
    monkeypatch.setattr(rows, "MOST_LINES_A_DAY", 5)  # each has two
    lab = Lab()
    lab.receive(*map(signed, _numbered(3)))
    said = lab.look()

    assert ["too many came" in line for line in said] == [False, False, True]
    assert len(lab.kept()) == 2


def test_strangers_leave_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that anybody may have sent can't take the room of those whose sender is known."""
    monkeypatch.setattr(rows, "MOST_LINES", 9)
    lab = Lab()
    lab.receive(*_numbered(4), *map(signed, _numbered(2)))
    lab.look()

    assert lab.kept("proof") == [("none",), ("none",), ("pass",), ("pass",)]


def _numbered(count: int) -> list[bytes]:
    """Return mail with as many different reports."""
    return [packed_mail(GOOGLE.replace(b"7245120958367458291", b"%d" % number)) for number in range(count)]


def test_times_that_arent_kept() -> None:
    """A report about a time to come would never be forgotten, one about times long past would be at once."""
    lab = Lab("delete")
    for begin in (9_000_000_000_000_000, AT + 3 * 86_400, AT - int(KEEP) - 86_401):
        lab.receive(packed_mail(_moved(begin)))
    said = lab.look()

    assert ["to come" in line for line in said] == [True, True, False]
    assert "long ago" in said[2]
    assert lab.kept() == []
    assert lab.uids() == [1, 2, 3]


def _moved(begin: int) -> bytes:
    """Return a report about a day that begins then."""
    report = re.sub(rb"<begin>\d+", b"<begin>%d" % begin, GOOGLE)
    return re.sub(rb"<end>\d+", b"<end>%d" % (begin + 86_399), report)


def test_forgotten_in_time() -> None:
    """What is older than wanted goes, with its lines, whatever else there is."""
    lab = Lab()
    lab.receive(packed_mail(GOOGLE), packed_mail(GOOGLE_TLS, name="t.json.gz"))
    lab.look()
    for kind, ends_at in (("tls", AT - KEEP), ("dmarc", AT - KEEP - 1)):
        lab.rest.database.connection.execute(
            "UPDATE received_report SET ends_at = ? WHERE kind = ?", (int(ends_at), kind)
        )

    run(lab.reader.forget())

    assert lab.kept("kind") == [("tls",)]
    assert lab.rest.rows("SELECT count(*) FROM received_case") == [(0,)]
    assert lab.rest.rows("SELECT lines FROM received_lines") == [(3,)]
