"""Composes delivery status notifications: multipart/report of RFC 6522 with the fields of RFC 3464."""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_qp
from dataclasses import dataclass
from itertools import count
from typing import Final, Literal

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import CRLF, Address

MAX_RETURNED: Final = 32 * 1024
"""Octets of the header that are returned; past that it is cut at a line."""

_MAX_LINE = 998
_MAX_VALUE = 900
_MAX_ENCODED = 45
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_SPECIAL = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]")
_XTEXT = re.compile(r"\+([0-9A-Fa-f]{2})")
_MESSAGE_ID = re.compile(rb"<[!-;=?-~]{1,250}>")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\x00")


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """What a report says of one recipient (RFC 3464 section 2.3).

    Attributes:
        recipient: the address as we had it.
        action: the report is of a failure or of a delay.
        status: the enhanced status code.
        attempted_at: the last attempt, in seconds since the epoch.
        orcpt: the ORCPT parameter as received, "addr-type;xtext".
        remote: the name of the host that answered; empty when none did.
        diagnostic: why, after its type: "smtp; 550 ..." is an answer,
            "X-Local; ..." what this host found.
        retry_until: when a delayed recipient is given up.
    """

    recipient: Address
    action: Literal["failed", "delayed"]
    status: str
    attempted_at: float
    orcpt: str | None = None
    remote: str = ""
    diagnostic: str = ""
    retry_until: float | None = None


@dataclass(frozen=True, slots=True)
class Notification:
    r"""Everything a report is made of.

    Attributes:
        to: who is told.
        host: this host's name, which reports.
        message_id: what stands before "@" in the report's Message-ID; unique.
        subject: the subject line.
        text: what a person reads; lines end in "\n".
        at: now, in seconds since the epoch.
        offset: local time minus UTC, in seconds.
        queue_id: the id of the message reported on.
        header: its header block.
        arrived_at: when it arrived.
        helo: who brought it; empty when that isn't told.
        envid: the ENVID parameter as received, in xtext.
        recipients: those reported on; one at least.
    """

    to: Address
    host: str
    message_id: str
    subject: str
    text: str
    at: float
    offset: int
    queue_id: str
    header: bytes
    arrived_at: float
    recipients: tuple[RecipientStatus, ...]
    helo: str = ""
    envid: str | None = None


def compose(report: Notification) -> tuple[bytes, bytes]:
    """Return header block and body of the report.

    Both are 7-bit, unless the address of the person told is not ASCII: that
    stands in the header in UTF-8 (RFC 6532 section 3).
    """
    parts = (_text_part(report.text), _status_part(report), _returned_part(report.header))
    boundary = _boundary(report.message_id, parts)
    delimiter = b"--" + boundary
    body = b"".join(delimiter + CRLF + part + CRLF for part in parts) + delimiter + b"--" + CRLF
    return _header(report, boundary.decode()), body


def _header(report: Notification, boundary: str) -> bytes:
    lines = [
        f"Date: {date_text(report.at, report.offset)}",
        f"From: Mail Delivery System <MAILER-DAEMON@{report.host}>",
        f"To: <{report.to}>",
        f"Subject: {_header_text(report.subject)}",
        f"Message-ID: <{report.message_id}@{report.host}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
    ]
    original = _original_id(report.header)
    if original:
        lines[5:5] = [f"In-Reply-To: {original}", f"References: {original}"]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def _original_id(header: bytes) -> str:
    """Return the Message-ID of the message reported on, if it has a sound one."""
    found = _MESSAGE_ID.fullmatch(Header(header[:MAX_RETURNED]).get(b"message-id") or b"")
    return found[0].decode("ascii") if found else ""


def _header_text(text: str) -> str:
    """Return text as a header field may hold it, in encoded words where needed (RFC 2047 section 2)."""
    if text.isascii():
        return _UNPRINTABLE.sub("?", text)
    words, piece = [], b""
    for letter in text:
        octets = letter.encode("utf-8", "replace")
        if len(piece) + len(octets) > _MAX_ENCODED:
            words.append(piece)
            piece = b""
        piece += octets
    return "\r\n ".join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in [*words, piece])


def _text_part(text: str) -> bytes:
    kind = b"text/plain; charset=utf-8"
    return _encoded(kind, text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace"))


def _returned_part(header: bytes) -> bytes:
    """Return the original header as text/rfc822-headers (RFC 6522 section 4)."""
    if len(header) > MAX_RETURNED:
        header = header[: header.rfind(b"\n", 0, MAX_RETURNED) + 1]
    header = _BARE.sub(b" ", header).removesuffix(CRLF + CRLF)
    return _encoded(b"text/rfc822-headers; charset=utf-8", header.removesuffix(CRLF) + CRLF)


def _encoded(kind: bytes, content: bytes) -> bytes:
    """Return a part, in quoted-printable where it isn't 7-bit as it stands (RFC 2045 section 2.7)."""
    encoding = b"7bit"
    if not _is_seven_bit(content):
        encoding, content = b"quoted-printable", b2a_qp(content, istext=True)
    return b"Content-Type: " + kind + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + content


def _is_seven_bit(content: bytes) -> bool:
    return content.isascii() and max(map(len, content.split(CRLF))) <= _MAX_LINE and b"\x00" not in content


def _status_part(report: Notification) -> bytes:
    """Return the part that programs read (RFC 3464 section 2)."""
    groups = [_message_fields(report), *(_recipient_fields(report, each) for each in report.recipients)]
    text = "\r\n\r\n".join("\r\n".join(_field(name, value) for name, value in group if value) for group in groups)
    return f"Content-Type: message/delivery-status\r\n\r\n{text}\r\n".encode("ascii", "replace")


def _field(name: str, value: str) -> str:
    return f"{name}: {_UNPRINTABLE.sub('?', value[:_MAX_VALUE])}"


def _message_fields(report: Notification) -> list[tuple[str, str]]:
    return [
        ("Original-Envelope-Id", _from_xtext(report.envid or "")),
        ("Reporting-MTA", f"dns; {report.host}"),
        ("Received-From-MTA", f"dns; {report.helo}" if report.helo else ""),
        ("Arrival-Date", date_text(report.arrived_at, report.offset)),
    ]


def _recipient_fields(report: Notification, each: RecipientStatus) -> list[tuple[str, str]]:
    return [
        ("Original-Recipient", _original_recipient(each.orcpt)),
        ("Final-Recipient", _final_recipient(each.recipient)),
        ("Action", each.action),
        ("Status", each.status),
        ("Remote-MTA", f"dns; {each.remote}" if each.remote else ""),
        ("Diagnostic-Code", each.diagnostic),
        ("Last-Attempt-Date", date_text(each.attempted_at, report.offset)),
        ("Final-Log-ID", report.queue_id),
        ("Will-Retry-Until", "" if each.retry_until is None else date_text(each.retry_until, report.offset)),
    ]


def _original_recipient(orcpt: str | None) -> str:
    """Return ORCPT decoded; a type of its own stays as it is (RFC 6533 section 3)."""
    kind, separator, address = (orcpt or "").partition(";")
    if not separator:
        return ""
    return f"{kind}; {address if kind.lower() == 'utf-8' else _from_xtext(address)}"


def _final_recipient(address: Address) -> str:
    """Return the address, beyond ASCII in the 7-bit form of RFC 6533 section 3."""
    text = str(address)
    if text.isascii():
        return f"rfc822; {text}"
    return "utf-8; " + _SPECIAL.sub(lambda found: f"\\x{{{ord(found[0]):X}}}", text)


def _from_xtext(text: str) -> str:
    """Decode xtext (RFC 3461 section 4); what is broken stays as it is."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)


def _boundary(unique: str, parts: tuple[bytes, ...]) -> bytes:
    """Return a boundary that none of the parts holds.

    Whoever wrote the header that is returned may have guessed at boundaries,
    so the first number that isn't found is taken; all have the same length,
    so none is the beginning of another.
    """
    stem = b"=_" + re.sub(rb"[^0-9A-Za-z]", b"", unique.encode())[:40] + b"_"
    guess = re.compile(re.escape(stem) + rb"([0-9]{9})")
    taken = {found for part in parts for found in guess.findall(part)}
    return stem + next(number for number in (b"%09d" % n for n in count()) if number not in taken)
