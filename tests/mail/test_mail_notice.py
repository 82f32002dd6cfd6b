"""Notices read back with a parser that nobody here wrote."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

from twistedmail_mta.mail.notice import Notice, compose
from twistedmail_mta.model import Address

TO = (Address("ann", "example.org"), Address("bob", "example.net"))


def composed(subject: str, text: str) -> bytes:
    notice = Notice(TO, "mail.example.org", "id7", subject, text, 1_800_000_000.0, 3600)
    header, body = compose(notice)
    return header + body


def test_what_it_says() -> None:
    """Whom, what, and that no robot shall answer."""
    message = message_from_bytes(composed("An account was stopped", "Hello,\n\nit was.\n"), policy=default)

    assert [str(each) for each in message["to"].addresses] == ["ann@example.org", "bob@example.net"]
    assert message["from"].addresses[0].addr_spec == "MAILER-DAEMON@mail.example.org"
    assert message["subject"] == "An account was stopped"
    assert message["message-id"] == "<id7@mail.example.org>"
    assert message["auto-submitted"] == "auto-generated"
    assert message["date"].datetime.isoformat() == "2027-01-15T09:00:00+01:00"
    assert message.get_content().replace("\r\n", "\n") == "Hello,\n\nit was.\n"


def test_text_of_others() -> None:
    """What a stranger wrote can't become a field, nor more than 7 bits."""
    octets = composed("Grüße\r\nBcc: eve@example.com", "jürgen\0 \r alone\n" + "x" * 2000 + "\n")
    message = message_from_bytes(octets, policy=default)

    assert octets.isascii()
    assert message["bcc"] is None
    assert "jürgen" in message.get_content()
    assert "x" * 2000 in message.get_content()
