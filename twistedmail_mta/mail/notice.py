"""Composes notices: plain text that this host writes to its administrator and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.encoded_words import encoded_words
from twistedmail_mta.mail.mime_part import mended, part
from twistedmail_mta.model import Address


@dataclass(frozen=True, slots=True)
class Notice:
    r"""What is told to whom.

    Attributes:
        to: all who are told.
        host: this host's name, which tells it.
        message_id: what stands before "@" in Message-ID; unique.
        subject: the subject line.
        text: lines end in "\n".
        at: now, in seconds since the epoch.
        offset: local time minus UTC, in seconds.
    """

    to: Sequence[Address]
    host: str
    message_id: str
    subject: str
    text: str
    at: float
    offset: int


def compose(notice: Notice) -> tuple[bytes, bytes]:
    """Return header block and body; nobody's robot answers it (RFC 3834 section 5)."""
    to = ",\r\n\t".join(f"<{address}>" for address in notice.to)
    lines = [
        f"Date: {date_text(notice.at, notice.offset)}",
        f"From: Mail Delivery System <MAILER-DAEMON@{notice.host}>",
        f"To: {to}",
        f"Subject: {encoded_words(notice.subject)}",
        f"Message-ID: <{notice.message_id}@{notice.host}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
    ]
    text = notice.text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    content = part("text/plain; charset=utf-8", mended(text), eight_bit=False)
    fields, _, body = content.partition(b"\r\n\r\n")
    return "".join(line + "\r\n" for line in lines).encode() + fields + b"\r\n\r\n", body
