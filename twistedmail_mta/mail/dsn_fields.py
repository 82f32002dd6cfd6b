"""The second part of a report, which programs read (RFC 3464 section 2, RFC 6533 section 4.1)."""

from __future__ import annotations

import re
from ipaddress import ip_address

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.mime_part import part
from twistedmail_mta.mail.notification import Notification, RecipientStatus
from twistedmail_mta.model import Address

_MAX_VALUE = 900
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_SPECIAL = re.compile(r"[^\x21-\x2a\x2c-\x3c\x3e-\x5b\x5d-\x7e]")
_XTEXT = re.compile(r"\+([0-9A-Fa-f]{2})")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")


def status_part(report: Notification) -> bytes:
    """Return the part: in UTF-8 when the report travels so and the part needs it, else in ASCII."""
    if report.is_international:
        content = _content(report, is_global=True)
        if not content.isascii():
            return part("message/global-delivery-status", content, eight_bit=True)
    return b"Content-Type: message/delivery-status\r\n\r\n" + _content(report, is_global=False)


def _content(report: Notification, *, is_global: bool) -> bytes:
    groups = [
        _message_fields(report),
        *(_recipient_fields(report, each, is_global=is_global) for each in report.recipients),
    ]
    unfit = _CONTROLS if is_global else _NOT_PRINTABLE
    fields = ("\r\n".join(_field(name, value, unfit) for name, value in group if value) for group in groups)
    return ("\r\n\r\n".join(fields) + "\r\n").encode()


def _field(name: str, value: str, unfit: re.Pattern[str]) -> str:
    """Return a field; a value is cut by octets, so that the line keeps to its limit in UTF-8 too."""
    value = unfit.sub("?", value[:_MAX_VALUE])
    return f"{name}: {value.encode()[:_MAX_VALUE].decode('utf-8', 'ignore')}"


def _message_fields(report: Notification) -> list[tuple[str, str]]:
    return [
        ("Original-Envelope-Id", _from_xtext(report.envid or "")),
        ("Reporting-MTA", f"dns; {report.host}"),
        ("Received-From-MTA", f"dns; {report.helo}" if report.helo else ""),
        ("Arrival-Date", date_text(report.arrived_at, report.offset)),
    ]


def _recipient_fields(report: Notification, each: RecipientStatus, *, is_global: bool) -> list[tuple[str, str]]:
    return [
        ("Original-Recipient", _original_recipient(each.orcpt, is_global=is_global)),
        ("Final-Recipient", _final_recipient(each.recipient, is_global=is_global)),
        ("Action", each.action),
        ("Status", each.status),
        ("Remote-MTA", f"dns; {_mta_name(each.remote)}" if each.remote else ""),
        ("Diagnostic-Code", each.diagnostic),
        ("Last-Attempt-Date", date_text(each.attempted_at, report.offset)),
        ("Final-Log-ID", report.queue_id),
        ("Will-Retry-Until", "" if each.retry_until is None else date_text(each.retry_until, report.offset)),
    ]


def _mta_name(remote: str) -> str:
    """Return a host's name; an address stands in brackets (RFC 3461 section 9.3)."""
    try:
        ip_address(remote)
    except ValueError:
        return remote
    return f"[{remote}]"


def _original_recipient(orcpt: str | None, *, is_global: bool) -> str:
    """Return ORCPT decoded; an address of UTF-8 in the form that fits here (RFC 6533 section 3)."""
    kind, separator, address = (orcpt or "").partition(";")
    if not separator:
        return ""
    if kind.lower() != "utf-8":
        return f"{kind}; {_from_xtext(address)}"
    native = _EMBEDDED.sub(_letter, address)
    return f"{kind}; {native if is_global else _SPECIAL.sub(_embedded, native)}"


def _final_recipient(address: Address, *, is_global: bool) -> str:
    """Return the address, beyond ASCII in the form of RFC 6533 section 3 that fits here."""
    text = str(address)
    if text.isascii():
        return f"rfc822; {text}"
    return f"utf-8; {text if is_global else _SPECIAL.sub(_embedded, text)}"


def _letter(found: re.Match[str]) -> str:
    point = int(found[1], 16)
    return chr(point) if point <= 0x10FFFF else found[0]


def _embedded(found: re.Match[str]) -> str:
    return f"\\x{{{ord(found[0]):02X}}}"


def _from_xtext(text: str) -> str:
    """Decode xtext (RFC 3461 section 4); what is broken stays as it is."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), text)
