"""Reports as other programs read them: judged with the standard library's parser."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.dsn import MAX_RETURNED, Notification, RecipientStatus, compose
from twistedmail_mta.model import Address

HEADER = b"From: alice@example.org\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n\r\n"
BOB = RecipientStatus(
    recipient=Address("bob", "example.net"),
    action="failed",
    status="5.1.1",
    attempted_at=1_000_000_000.0,
    orcpt="rfc822;bob+2Bx@example.net",
    remote="mx.example.net",
    diagnostic="smtp; 550 5.1.1 no such user",
)
REPORT = Notification(
    to=Address("alice", "example.org"),
    host="mail.example.org",
    message_id="0abc",
    subject="Your mail could not be delivered",
    text="Your mail\ndid not arrive.\n",
    at=1_000_000_000.0,
    offset=7200,
    queue_id="0def",
    header=HEADER,
    arrived_at=999_999_000.0,
    recipients=(BOB,),
    helo="laptop",
    envid="QQ+2B1",
)


def parsed(report: Notification) -> EmailMessage:
    header, body = compose(report)
    message: Any = message_from_bytes(header + body, policy=policy.default)
    return message


def parts(report: Notification) -> list[Any]:
    return list(parsed(report).iter_parts())


def status_groups(report: Notification) -> list[Message]:
    return list(parts(report)[1].get_payload())


def test_envelope_of_the_report() -> None:
    """The header says what it is, to whom, and answers the original (RFC 3834, RFC 6522)."""
    message = parsed(REPORT)

    assert message.get_content_type() == "multipart/report"
    assert message["content-type"].params["report-type"] == "delivery-status"
    assert message["from"] == "Mail Delivery System <MAILER-DAEMON@mail.example.org>"
    assert message["to"] == "alice@example.org"
    assert message["subject"] == "Your mail could not be delivered"
    assert message["auto-submitted"] == "auto-replied"
    assert message["message-id"] == "<0abc@mail.example.org>"
    assert message["in-reply-to"] == message["references"] == "<1@example.org>"
    assert message["date"] == "Sun, 09 Sep 2001 03:46:40 +0200"
    assert message["mime-version"] == "1.0"
    assert not message.defects


def test_three_parts() -> None:
    """A text for people, the status for programs, the header of the original."""
    text, status, returned = parts(REPORT)

    assert text.get_content() == "Your mail\r\ndid not arrive.\r\n"
    assert status.get_content_type() == "message/delivery-status"
    assert returned.get_content_type() == "text/rfc822-headers"
    assert returned.get_payload(decode=True).splitlines() == HEADER[:-2].splitlines()


def test_status_fields() -> None:
    """Every field of RFC 3464 that applies is there, with its value as the RFC forms it."""
    message, bob = status_groups(REPORT)

    assert message.items() == [
        ("Original-Envelope-Id", "QQ+1"),
        ("Reporting-MTA", "dns; mail.example.org"),
        ("Received-From-MTA", "dns; laptop"),
        ("Arrival-Date", "Sun, 9 Sep 2001 03:30:00 +0200"),
    ]
    assert bob.items() == [
        ("Original-Recipient", "rfc822; bob+x@example.net"),
        ("Final-Recipient", "rfc822; bob@example.net"),
        ("Action", "failed"),
        ("Status", "5.1.1"),
        ("Remote-MTA", "dns; mx.example.net"),
        ("Diagnostic-Code", "smtp; 550 5.1.1 no such user"),
        ("Last-Attempt-Date", "Sun, 9 Sep 2001 03:46:40 +0200"),
        ("Final-Log-ID", "0def"),
    ]


def test_absent_values_make_no_fields() -> None:
    """What isn't known isn't mentioned."""
    bare = RecipientStatus(Address("bob", "example.net"), "delayed", "4.4.1", 0.0, retry_until=1_000_000_000.0)
    message, bob = status_groups(replace(REPORT, recipients=(bare,), helo="", envid=None))

    assert message.keys() == ["Reporting-MTA", "Arrival-Date"]
    assert bob.keys() == [
        "Final-Recipient",
        "Action",
        "Status",
        "Last-Attempt-Date",
        "Final-Log-ID",
        "Will-Retry-Until",
    ]
    assert bob["will-retry-until"] == "Sun, 9 Sep 2001 03:46:40 +0200"


def test_each_recipient_has_a_group() -> None:
    """Several recipients share one report."""
    carol = replace(BOB, recipient=Address("carol", "example.net"))
    groups = status_groups(replace(REPORT, recipients=(BOB, carol)))

    assert [group["final-recipient"] for group in groups[1:]] == [
        "rfc822; bob@example.net",
        "rfc822; carol@example.net",
    ]


def test_no_message_id_no_reference() -> None:
    """An unsound Message-ID is not repeated."""
    for header in (b"", b"Subject: x\r\n\r\n", b"Message-ID: <a\r\n b>\r\n\r\n", b"Message-ID: x\r\n\r\n"):
        message = parsed(replace(REPORT, header=header))

        assert message["references"] is None
        assert message["in-reply-to"] is None


def test_international_recipient_stays_seven_bit() -> None:
    """An address beyond ASCII takes the 7-bit form of RFC 6533."""
    each = replace(BOB, recipient=Address("jörg+x", "xn--kln-sna.example"), orcpt="utf-8;j\\x{F6}rg@x")
    group = status_groups(replace(REPORT, recipients=(each,)))[1]

    assert group["final-recipient"] == "utf-8; j\\x{F6}rg\\x{2B}x@xn--kln-sna.example"
    assert group["original-recipient"] == "utf-8; j\\x{F6}rg@x"


def test_international_sender() -> None:
    """Only the address of the person told is ever in UTF-8."""
    header, body = compose(replace(REPORT, to=Address("jörg", "example.org")))

    assert "To: <jörg@example.org>\r\n".encode() in header
    assert body.isascii()


def test_eight_bit_texts_are_encoded() -> None:
    """Text and returned header beyond ASCII arrive unharmed through 7-bit hosts."""
    original = "Subject: Grüße\r\n\r\n".encode()
    report = replace(REPORT, text="Grüße, " * 40 + "\n", header=original, subject="Grüße " * 20)
    text, _, returned = parts(report)

    assert all(part.isascii() for part in compose(report))
    assert text.get_content() == "Grüße, " * 40 + "\r\n"
    assert returned.get_payload(decode=True).rstrip() == original.rstrip()
    assert parsed(report)["subject"] == "Grüße " * 20


def test_long_header_is_cut_at_a_line() -> None:
    """A report isn't larger than it must be."""
    _, body = compose(replace(REPORT, header=b"X: 012345678\r\n" * 10_000 + b"\r\n"))

    assert MAX_RETURNED < len(body) < MAX_RETURNED + 2000
    assert b"X: 012345678\r\n\r\n--=_" in body


def test_guessed_boundary_is_avoided() -> None:
    """Who wrote the original can't end a part of the report."""
    guesses = b"".join(b"X: --=_0abc_%09d\r\n" % n for n in range(3)) + b"X: --=_0abc_0000000031\r\n"
    report = replace(REPORT, header=guesses + b"\r\n")

    assert len(parts(report)) == 3
    assert b'boundary="=_0abc_000000004"' in compose(report)[0]


@settings(derandomize=True, max_examples=150)
@given(st.binary(max_size=200), st.text(max_size=60), st.text(max_size=60), st.text(max_size=20))
def test_hostile_values_keep_the_form(header: bytes, diagnostic: str, remote: str, orcpt: str) -> None:
    """Whatever peers said, the report is 7-bit, its lines end in CRLF, and it has three parts."""
    each = replace(BOB, diagnostic=f"smtp; {diagnostic}", remote=remote, orcpt=orcpt)
    report = replace(REPORT, header=header, recipients=(each,), helo=remote, envid=orcpt)
    octets = b"".join(compose(report))

    assert octets.isascii()
    assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert len(parts(report)) == 3
    assert len(status_groups(report)) == 2


@pytest.mark.parametrize("length", [10, 2000])
def test_long_lines_of_text(length: int) -> None:
    """A line past 998 octets is encoded, not cut (RFC 5322 section 2.1.1)."""
    assert parts(replace(REPORT, text="x" * length + "\n"))[0].get_content() == "x" * length + "\r\n"
