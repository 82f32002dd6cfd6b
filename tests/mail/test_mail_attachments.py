"""The parts of messages are found and decoded."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.attachments import BLOCK, attachments
from twistedmail_mta.mail.header import split


def found(message: bytes) -> list[tuple[str, str, bytes]]:
    return [(each.type, each.name, each.content) for each in attachments(*split(message))]


def test_one_part() -> None:
    """A report may be all that a message is: its own header says what it is."""
    message = EmailMessage()
    message.set_content(b"\x1f\x8b\x00", "application", "gzip", filename="a!b!1!2.xml.gz")

    assert found(message.as_bytes(policy=SMTP)) == [("application/gzip", "a!b!1!2.xml.gz", b"\x1f\x8b\x00")]


def test_several_parts() -> None:
    """In their order, also those of a message inside, with names in whatever form."""
    inner = EmailMessage()
    inner.set_content(b"{}", "application", "tlsrpt+json", filename="\u00e4.json")
    message = EmailMessage()
    message.set_content("Hello")
    message.add_attachment(b"PK", "Application", "ZIP", filename="r.zip")
    message.add_attachment(inner)

    assert [(kind, name) for kind, name, _ in found(message.as_bytes(policy=SMTP))] == [
        ("text/plain", ""),
        ("application/zip", "r.zip"),
        ("application/tlsrpt+json", "\u00e4.json"),
    ]


def test_nothing_said() -> None:
    """A message without any header is text; a part cut off is what is left of it."""
    assert found(b"\r\nHello\r\n") == [("text/plain", "", b"Hello\r\n")]
    cut = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: application/zip; name=x\r\n\r\nPK'
    assert found(cut) == [("application/zip", "x", b"PK")]


@settings(max_examples=20, derandomize=True, deadline=None)
@given(st.integers(-3, 3), st.binary(min_size=1, max_size=20))
def test_long_parts(more: int, octets: bytes) -> None:
    """What is decoded in blocks is what was encoded."""
    content = (octets * (2 * BLOCK // len(octets) + 1))[: BLOCK + more]
    message = EmailMessage()
    message.set_content(content, "application", "octet-stream")

    assert found(message.as_bytes(policy=SMTP)) == [("application/octet-stream", "", content)]
