"""Composes delivery status notifications: multipart/report of RFC 6522 with the fields of RFC 3464."""

from __future__ import annotations

import re
from itertools import count

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.dsn_fields import status_part
from twistedmail_mta.mail.dsn_original import MAX_HEADER, original_part
from twistedmail_mta.mail.encoded_words import encoded_words
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.mime_part import mended, part
from twistedmail_mta.mail.notification import Notification
from twistedmail_mta.model import CRLF

_MESSAGE_ID = re.compile(rb"<[!-;=?-~]{1,250}>")


def compose(report: Notification) -> tuple[bytes, bytes]:
    """Return header block and body of the report.

    Both are 7-bit with two exceptions.  Where the address of the person told
    isn't ASCII, the report needs SMTPUTF8 anyway, and nothing in it is encoded
    (RFC 6533 section 4.4).  And a message returned whole stays as it is, so
    that its 8-bit text needs 8BITMIME.
    """
    parts = [_text_part(report), status_part(report)]
    original = original_part(report.original, international=report.is_international)
    if original is not None:
        parts.append(original)
    boundary = _boundary(report.message_id, parts)
    delimiter = b"--" + boundary
    body = b"".join(delimiter + CRLF + part + CRLF for part in parts) + delimiter + b"--" + CRLF
    return _header(report, boundary.decode(), is_ascii=body.isascii()), body


def _header(report: Notification, boundary: str, *, is_ascii: bool) -> bytes:
    original = _original_id(report.original.header)
    lines = [
        f"Date: {date_text(report.at, report.offset)}",
        f"From: Mail Delivery System <MAILER-DAEMON@{report.domain}>",
        f"To: <{report.to}>",
        f"Subject: {encoded_words(report.subject)}",
        f"Message-ID: <{report.message_id}@{report.host}>",
        *([f"In-Reply-To: {original}", f"References: {original}"] if original else []),
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
        *([] if is_ascii else ["Content-Transfer-Encoding: 8bit"]),
    ]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def _original_id(header: bytes) -> str:
    """Return the Message-ID of the message reported on, if it has a sound one."""
    found = _MESSAGE_ID.fullmatch(Header(header[:MAX_HEADER]).get(b"message-id") or b"")
    return found[0].decode("ascii") if found else ""


def _text_part(report: Notification) -> bytes:
    text = report.text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    language = f"Content-Language: {report.language}\r\n"
    return part("text/plain; charset=utf-8", mended(text), eight_bit=report.is_international, fields=language)


def _boundary(unique: str, parts: list[bytes]) -> bytes:
    """Return a boundary that none of the parts holds.

    Whoever wrote the message that is returned may have guessed at boundaries,
    so the first number that isn't found is taken; all have the same length,
    so none is the beginning of another.
    """
    stem = b"=_" + re.sub(rb"[^0-9A-Za-z]", b"", unique.encode())[:40] + b"_"
    guess = re.compile(re.escape(stem) + rb"([0-9]{9})")
    taken = {found for part in parts for found in guess.findall(part)}
    return stem + next(number for number in (b"%09d" % n for n in count()) if number not in taken)
