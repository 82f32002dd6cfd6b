"""Composes mail that carries a report for programs: a few words for people, and a file."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.mime_part import mended, part
from twistedmail_mta.model import CRLF, Address

_LINE: Final = 78
"""Characters of a line past which it is folded (RFC 5322 section 2.1.1)."""

_BASE64_LINE: Final = 76
"""Characters of a line in base64 (RFC 2045 section 6.8)."""


@dataclass(frozen=True, slots=True)
class Enclosed:
    """The file.

    Attributes:
        kind: its media type, such as `application/tlsrpt+gzip`.
        name: what it is called, in ASCII without quotes.
        content: its octets.
    """

    kind: str
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ReportMail:
    r"""What is told to whom.

    Attributes:
        author: whom it is from, and who may be asked.
        to: who gets it.
        message_id: what stands between "<" and ">" in Message-ID; unique.
        subject: words in ASCII, between which the line may be folded.
        fields: further header fields, in ASCII.
        kind: what comes behind `multipart/`, such as `report; report-type="tlsrpt"`.
        text: for people; lines end in "\n".
        enclosed: for programs.
        at: now, in seconds since the epoch.
        offset: local time minus UTC, in seconds.
    """

    author: Address
    to: Address
    message_id: str
    subject: str
    fields: Sequence[tuple[str, str]]
    kind: str
    text: str
    enclosed: Enclosed
    at: float
    offset: int = 0


def compose(mail: ReportMail) -> tuple[bytes, bytes]:
    """Return header block and body, all in 7 bit; nobody's robot answers it (RFC 3834 section 5)."""
    boundary = f"=_{mail.message_id.partition('@')[0]}"
    fields = [
        ("Date", date_text(mail.at, mail.offset)),
        ("From", f"<{mail.author}>"),
        ("To", f"<{mail.to}>"),
        ("Subject", mail.subject),
        ("Message-ID", f"<{mail.message_id}>"),
        ("Auto-Submitted", "auto-generated"),
        *mail.fields,
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/{mail.kind}; boundary="{boundary}"'),
    ]
    header = "".join(folded(name, value) for name, value in fields).encode("utf-8", "replace") + CRLF
    parts = (_words(mail.text), _file(mail.enclosed))
    mark = boundary.encode("ascii", "replace")
    body = b"".join(b"--" + mark + CRLF + each + CRLF for each in parts) + b"--" + mark + b"--" + CRLF
    return header, body


def folded(name: str, value: str) -> str:
    """Return a header field, folded between words where a line would be long; its CRLF included."""
    lines, line = [], f"{name}:"
    for word in value.split():
        if len(line) + 1 + len(word) > _LINE and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line]) + "\r\n"


def _words(text: str) -> bytes:
    octets = text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    return part("text/plain; charset=utf-8", mended(octets), eight_bit=False)


def _file(enclosed: Enclosed) -> bytes:
    head = (
        f"Content-Type: {enclosed.kind}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment;\r\n filename="{enclosed.name}"\r\n\r\n'
    )
    return head.encode("ascii", "replace") + _base64(enclosed.content)


def _base64(octets: bytes) -> bytes:
    """Return what RFC 2045 section 6.8 makes of octets: all at once, since there may be a megabyte of them."""
    text = b2a_base64(octets, newline=False)
    return b"".join([text[place : place + _BASE64_LINE] + CRLF for place in range(0, len(text), _BASE64_LINE)])
