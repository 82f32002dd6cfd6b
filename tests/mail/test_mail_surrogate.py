"""Headers with UTF-8 in them, for clients that know ASCII alone."""

from __future__ import annotations

import email
import email.policy

from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.surrogate import NOBODY, surrogate_header


def _read(text: str) -> email.message.EmailMessage:
    block = surrogate_header(text.replace("\n", "\r\n").encode())
    assert block.isascii()
    message = email.message_from_bytes(block, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message


def test_ascii_stays_octet_for_octet() -> None:
    """Fields that need no change get none, folding and odd spaces included."""
    block = b"Received: from x\r\n\tby y\r\nsubject :  a  b\r\nX-Odd\r\nTo: <a@b>\r\n\r\n"

    assert surrogate_header(block) == block
    assert surrogate_header(block[:-2] + "Comments: \u00e9\r\n\r\n".encode()).startswith(block[:-2])


def test_subject_and_unknown_fields() -> None:
    """Text becomes encoded words, which say the same, however long."""
    subject = "Gr\u00fc\u00dfe aus K\u00f6ln \u2603 " * 20

    message = _read(f"Subject: {subject.strip()}\nX-Note: \u65e5\u672c\n\n")

    assert message["Subject"] == subject.strip()
    assert message["X-Note"] == "\u65e5\u672c"


def test_display_names() -> None:
    """Names become encoded words; addresses in ASCII stay as they are."""
    message = _read(
        'From: J\u00fcrgen <j@example.org>\nTo: "A, B" <"a b"@x.example>, \u00c9ric <e@y.example>, c@z.example\n\n'
    )

    assert message["From"].addresses[0].display_name == "J\u00fcrgen"
    assert [str(each.addr_spec) for each in message["To"].addresses] == [
        '"a b"@x.example',
        "e@y.example",
        "c@z.example",
    ]
    assert message["To"].addresses[0].display_name == "A, B"


def test_domains_have_an_ascii_form() -> None:
    """An address whose local part is ASCII still leads to where it led."""
    assert _read("To: Ann <ann@b\u00fccher.example>\n\n")["To"].addresses[0].addr_spec == "ann@xn--bcher-kva.example"


def test_local_parts_have_none() -> None:
    """The address leads nowhere, and the name tells what it was."""
    for said in (
        "J <j\u00fcrgen@example.org>",
        "J j\u00fcrgen@example.org <j\u00fcrgen@example.org>",
        "j\u00fcrgen@example.org",
    ):
        mailbox = _read(f"From: {said}\n\n")["From"].addresses[0]
        assert mailbox.addr_spec == NOBODY
        assert "j\u00fcrgen@example.org" in mailbox.display_name


def test_groups() -> None:
    """Groups stay groups."""
    to = _read("To: Fr\u00e8res: a@x.example, \u00e9@y.example;, c@z.example\n\n")["To"]

    assert [group.display_name for group in to.groups] == ["Fr\u00e8res", None]
    assert [len(group.addresses) for group in to.groups] == [2, 1]


def test_parameters() -> None:
    """RFC 2231 says what a quoted string can't."""
    message = _read(
        'Content-Type: application/pdf; name="Gr\u00fc\u00dfe.pdf"; x="a \\"b\\""\n'
        "Content-Disposition: attachment; filename=r\u00e9sum\u00e9.pdf\n\n"
    )

    assert message.get_content_type() == "application/pdf"
    assert message["Content-Type"].params == {"name": "Gr\u00fc\u00dfe.pdf", "x": 'a "b"'}
    assert message.get_filename() == "r\u00e9sum\u00e9.pdf"


def test_fields_that_cannot_be_said_are_left_out() -> None:
    """Better none than a wrong one (RFC 6858 section 2)."""
    message = _read(
        "Received: from x by y for <\u00e9@z.example>; now\nReturn-Path: <\u00e9@x>\nMessage-ID: <\u00e9@x>\n"
        'Content-Disposition: "\u00e9\nSubject: kept\n\n'
    )

    assert message.keys() == ["Subject"]


def test_latin_1_is_guessed() -> None:
    """Broken mail is often in Latin-1."""
    assert surrogate_header(b"Subject: caf\xe9\r\n\r\n") == b"Subject: =?utf-8?b?Y2Fmw6k=?=\r\n\r\n"


def test_no_encoded_word_is_too_long() -> None:
    """75 octets at most, and no line over 998."""
    block = surrogate_header(("Subject: " + "\u00e9\U0001f600x" * 500 + "\r\n\r\n").encode())

    assert max(map(len, block.split())) <= 75


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    name=st.sampled_from([b"From", b"Content-Type", b"Content-Disposition", b"X", b"Received", b"\xc3\xa9"]),
    value=st.binary(max_size=80),
)
def test_anything(name: bytes, value: bytes) -> None:
    """Whatever was written, the outcome is an ASCII header block with its end, and no new line in it forged."""
    block = name + b": " + value.replace(b"\n", b"").replace(b"\r", b"") + b"\r\nSubject: next\r\n\r\n"

    made = surrogate_header(block)

    assert made.isascii()
    assert made.endswith(b"Subject: next\r\n\r\n")
    assert made.count(b"\r\n\r\n") == 1
