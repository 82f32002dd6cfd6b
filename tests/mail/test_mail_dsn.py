"""Reports as other programs read them: judged with the standard library's parser."""

from __future__ import annotations

import re
from binascii import a2b_qp
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.dsn import compose
from twistedmail_mta.mail.dsn_original import MAX_HEADER
from twistedmail_mta.mail.notification import Notification, Original, RecipientStatus
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
    domain="example.org",
    host="mail.example.org",
    message_id="0abc",
    subject="Your mail could not be delivered",
    text="Your mail\ndid not arrive.\n",
    language="en",
    at=1_000_000_000.0,
    offset=7200,
    queue_id="0def",
    original=Original(HEADER),
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
    assert message["from"] == "Mail Delivery System <MAILER-DAEMON@example.org>"
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
        message = parsed(replace(REPORT, original=Original(header)))

        assert message["references"] is None
        assert message["in-reply-to"] is None


def test_international_recipient_stays_seven_bit() -> None:
    """An address beyond ASCII takes the 7-bit form of RFC 6533."""
    each = replace(BOB, recipient=Address("jörg+x", "xn--kln-sna.example"), orcpt="utf-8;j\\x{F6}rg@x")
    group = status_groups(replace(REPORT, recipients=(each,)))[1]

    assert group["final-recipient"] == "utf-8; j\\x{F6}rg\\x{2B}x@xn--kln-sna.example"
    assert group["original-recipient"] == "utf-8; j\\x{F6}rg@x"


def test_international_sender() -> None:
    """The address of the person told is in UTF-8; what needs no UTF-8 stays as it is."""
    header, body = compose(replace(REPORT, to=Address("jörg", "example.org")))

    assert "To: <jörg@example.org>\r\n".encode() in header
    assert body.isascii()


def test_eight_bit_texts_are_encoded() -> None:
    """Text and returned header beyond ASCII arrive unharmed through 7-bit hosts."""
    original = "Subject: Grüße\r\n\r\n".encode()
    report = replace(REPORT, text="Grüße, " * 40 + "\n", original=Original(original), subject="Grüße " * 20)
    text, _, returned = parts(report)

    assert all(part.isascii() for part in compose(report))
    assert text.get_content() == "Grüße, " * 40 + "\r\n"
    assert returned.get_payload(decode=True).rstrip() == original.rstrip()
    assert parsed(report)["subject"] == "Grüße " * 20


def test_long_header_is_cut_at_a_line() -> None:
    """A report isn't larger than it must be."""
    _, body = compose(replace(REPORT, original=Original(b"X: 012345678\r\n" * 10_000 + b"\r\n")))

    assert MAX_HEADER < len(body) < MAX_HEADER + 2000
    assert b"X: 012345678\r\n\r\n--=_" in body


def test_guessed_boundary_is_avoided() -> None:
    """Who wrote the original can't end a part of the report."""
    guesses = b"".join(b"X: --=_0abc_%09d\r\n" % n for n in range(3)) + b"X: --=_0abc_0000000031\r\n"
    report = replace(REPORT, original=Original(guesses + b"\r\n"))

    assert len(parts(report)) == 3
    assert b'boundary="=_0abc_000000004"' in compose(report)[0]


@settings(derandomize=True, max_examples=150)
@given(st.binary(max_size=200), st.text(max_size=60), st.text(max_size=60), st.text(max_size=20))
def test_hostile_values_keep_the_form(header: bytes, diagnostic: str, remote: str, orcpt: str) -> None:
    """Whatever peers said, the report is 7-bit, its lines end in CRLF, and it has three parts."""
    each = replace(BOB, diagnostic=f"smtp; {diagnostic}", remote=remote, orcpt=orcpt)
    report = replace(REPORT, original=Original(header), recipients=(each,), helo=remote, envid=orcpt)
    octets = b"".join(compose(report))

    assert octets.isascii()
    assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert len(parts(report)) == 3
    assert len(status_groups(report)) == 2


def test_five_actions() -> None:
    """What can become of a recipient is one of the words of RFC 3464."""
    for action in ("failed", "delayed", "delivered", "relayed", "expanded"):
        assert status_groups(replace(REPORT, recipients=(replace(BOB, action=action),)))[1]["action"] == action


@pytest.mark.parametrize(
    ("remote", "field"),
    [
        ("192.0.2.1", "dns; [192.0.2.1]"),
        ("2001:db8::1", "dns; [2001:db8::1]"),
        ("mx.example.net", "dns; mx.example.net"),
    ],
)
def test_addresses_of_hosts_stand_in_brackets(remote: str, field: str) -> None:
    """A host known by its address alone is a literal (RFC 3461 section 9.3)."""
    assert status_groups(replace(REPORT, recipients=(replace(BOB, remote=remote),)))[1]["remote-mta"] == field


def returned(original: Original, to: Address = REPORT.to) -> Any:
    return parts(replace(REPORT, original=original, to=to))[2]


@pytest.mark.parametrize(
    ("body", "encoding"), [(b"hello\r\n", "7bit"), ("Grüße\r\n".encode(), "8bit"), (b"caf\xe9\r\n", "8bit")]
)
def test_whole_message_is_returned_as_it_was(body: bytes, encoding: str) -> None:
    """It stands there octet for octet, and the report says what encoding it needs (RFC 2046 section 5.2.1)."""
    report = replace(REPORT, original=Original(HEADER, body, "full"))
    header, octets = compose(report)

    assert b"\r\n\r\n" + HEADER + body + b"\r\n--=_" in octets
    assert parts(report)[2].get_content_type() == "message/rfc822"
    assert parts(report)[2]["content-transfer-encoding"] == encoding
    assert (b"Content-Transfer-Encoding: 8bit\r\n" in header) == (encoding == "8bit")
    assert octets.isascii() != (encoding == "8bit")


@pytest.mark.parametrize("body", [b"x" * 999 + b"\r\n", b"a\rb\r\n", b"a\nb\r\n", b"a\x00\r\n"])
def test_unfit_message_is_returned_as_header(body: bytes) -> None:
    """What no transfer encoding could carry isn't returned whole."""
    assert returned(Original(HEADER, body, "full")).get_content_type() == "text/rfc822-headers"


def test_text_without_header_is_returned_behind_an_empty_line() -> None:
    """A message typed without header doesn't lose its first lines to one."""
    octets = compose(replace(REPORT, original=Original(b"", b"To: be\r\nor not\r\n", "full")))[1]

    assert b"7bit\r\n\r\n\r\nTo: be\r\nor not\r\n" in octets


def test_nothing_is_returned() -> None:
    """The third part is optional (RFC 6522 section 3)."""
    assert [
        part.get_content_type() for part in parts(replace(REPORT, original=Original(HEADER, returned="nothing")))
    ] == [
        "text/plain",
        "message/delivery-status",
    ]


JOERG = Address("jörg", "example.org")
GLOBAL = "Subject: Grüße\r\nFrom: jörg@example.org\r\n\r\n".encode()


def test_international_report_is_not_encoded() -> None:
    """Who has an international address gets the parts of RFC 6533 section 4, in UTF-8 as they are."""
    each = replace(
        BOB, recipient=Address("zoë", "example.net"), orcpt="utf-8;zo\\x{EB}@x", diagnostic="smtp; 550 weiß nicht"
    )
    report = replace(
        REPORT,
        to=JOERG,
        text="Grüße\n",
        recipients=(each,),
        original=Original(GLOBAL, b"Text\r\n", "full", smtputf8=True),
    )
    octets = compose(report)[1].decode()

    assert "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n" in octets
    assert "\r\nFinal-Recipient: utf-8; zoë@example.net\r\n" in octets
    assert "\r\nOriginal-Recipient: utf-8; zoë@x\r\n" in octets
    assert "\r\nDiagnostic-Code: smtp; 550 weiß nicht\r\n" in octets
    assert "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + GLOBAL.decode() in octets
    assert "Grüße\r\n" in octets


def test_international_report_in_ascii_takes_the_old_types() -> None:
    """Where nothing needs UTF-8 every reader is served (RFC 6533 section 4.4)."""
    report = replace(REPORT, to=JOERG)

    assert [part.get_content_type() for part in parts(report)] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]


@pytest.mark.parametrize("to", [REPORT.to, JOERG])
@pytest.mark.parametrize(("how", "kind"), [("full", "message/global"), ("header", "message/global-headers")])
def test_message_with_utf8_header(to: Address, how: Any, kind: str) -> None:
    """It has types of its own; they are encoded unless the report travels with SMTPUTF8 (RFC 6533 section 4.5)."""
    report = replace(REPORT, to=to, original=Original(GLOBAL, b"hello\r\n", how, smtputf8=True))
    octets = compose(report)[1]
    encoded = b"8bit" if to is JOERG else b"quoted-printable"
    _, _, content = octets.partition(f"Content-Type: {kind}\r\nContent-Transfer-Encoding: ".encode() + encoded)

    assert content
    assert octets.isascii() == (to is not JOERG)
    content = content[4:].partition(b"\r\n--=_")[0]
    content = content if to is JOERG else a2b_qp(content)
    assert content == (GLOBAL + b"hello\r\n" if how == "full" else GLOBAL[:-2])


def test_raw_octets_of_a_header_stay_readable() -> None:
    """A header in neither ASCII nor UTF-8 is returned in the charset that has no gaps."""
    assert returned(Original(b"Subject: caf\xe9\r\n\r\n")).get_content().rstrip() == "Subject: café"


@settings(derandomize=True, max_examples=100)
@given(st.binary(max_size=120), st.binary(max_size=120), st.booleans(), st.text(max_size=40))
def test_hostile_messages_keep_the_form(header: bytes, body: bytes, smtputf8: bool, diagnostic: str) -> None:
    """Whatever is returned, to whomever, the report's own lines stay lines and its parts three."""
    for to in (REPORT.to, JOERG):
        each = replace(BOB, diagnostic=diagnostic)
        octets = b"".join(
            compose(replace(REPORT, to=to, recipients=(each,), original=Original(header, body, "full", smtputf8)))
        )
        boundary = re.search(rb'boundary="([^"]+)"', octets)

        assert boundary is not None
        assert octets.count(b"\r\n--" + boundary[1]) == 4
        assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")
        assert max(map(len, octets.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("length", [10, 2000])
def test_long_lines_of_text(length: int) -> None:
    """A line past 998 octets is encoded, not cut (RFC 5322 section 2.1.1)."""
    assert parts(replace(REPORT, text="x" * length + "\n"))[0].get_content() == "x" * length + "\r\n"
