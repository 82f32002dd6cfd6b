"""Mail that carries a report, as Python's own parser reads it."""

from __future__ import annotations

from email import message_from_bytes, policy

from twistedmail_mta.mail.report_mail import Enclosed, ReportMail, compose, folded
from twistedmail_mta.model import Address


def test_parts() -> None:
    """Words for people come first, then the file, octet for octet, all of it in 7 bit and short lines."""
    content = bytes(range(256)) * 50
    mail = ReportMail(
        author=Address("postmaster", "example.org"),
        to=Address("tls reports", "example.net"),
        message_id="1abc@mx.example.org",
        subject="Report Domain: example.net Submitter: example.org Report-ID: <20260101.example.net@mx.example.org>",
        fields=(("TLS-Report-Domain", "example.net"), ("TLS-Report-Submitter", "example.org")),
        kind='report; report-type="tlsrpt"',
        text="Words for people: ä.\nMore.\n",
        enclosed=Enclosed("application/tlsrpt+gzip", "example.org!example.net!1!2.json.gz", content),
        at=1_800_000_000.0,
    )
    header, body = compose(mail)
    read = message_from_bytes(header + body, policy=policy.default)
    words, file = read.iter_parts()

    assert (header + body).isascii()
    assert max(map(len, (header + body).split(b"\r\n"))) <= 78
    assert b"\n" not in (header + body).replace(b"\r\n", b"")
    assert read["From"] == "postmaster@example.org"
    assert read["To"] == '"tls reports"@example.net'
    assert read["Subject"] == mail.subject
    assert read["Date"] == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert read["TLS-Report-Domain"] == "example.net"
    assert read.get_content_type() == "multipart/report"
    assert read.get_param("report-type") == "tlsrpt"
    assert words.get_content().replace("\r\n", "\n").rstrip("\n") == mail.text.rstrip("\n")
    assert file.get_content_type() == "application/tlsrpt+gzip"
    assert file.get_filename() == mail.enclosed.name
    assert file.get_payload(decode=True) == content


def test_long_words_stand_alone() -> None:
    """A field is folded between words only, and never before the first."""
    word = "x" * 90

    assert folded("Subject", f"{word} and {word}") == f"Subject: {word}\r\n and\r\n {word}\r\n"
