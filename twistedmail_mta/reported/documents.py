"""The reports in a mail or in a file, found and read; plain functions, which may run on any thread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from twistedmail_mta.dmarc import report_elements, report_reader
from twistedmail_mta.mail.attachments import Attachment, attachments
from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.unpacking import UnpackError, unpacked
from twistedmail_mta.reported.entry import Entry, about_dmarc, about_tls, case_line
from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError
from twistedmail_mta.tls_report import reading as tls_reading

MOST_PACKED: Final = 10 << 20
"""Octets of a document as it comes."""
MOST_UNPACKED: Final = 24 << 20
"""Octets that may come out of it."""
MOST_DOCUMENTS: Final = 10
"""Documents of a mail that are read."""

_TYPES: Final = {
    "application/gzip", "application/x-gzip", "application/gzip-compressed",
    "application/zip", "application/x-zip", "application/x-zip-compressed",
    "application/xml", "text/xml", "application/json",
    "application/tlsrpt+gzip", "application/tlsrpt+json",
}  # fmt: skip
_NAMES: Final = (".xml", ".gz", ".zip", ".json")
_WORTH_A_LOOK: Final = re.compile(
    rb'"application" "(?:gzip|x-gzip|gzip-compressed|zip|x-zip|x-zip-compressed|xml|json|tlsrpt\+gzip|tlsrpt\+json)"'
    rb'|"text" "xml"|\.(?:xml|gz|zip|json)"',
    re.IGNORECASE,
)
_PACKED: Final = (b"\x1f\x8b", b"PK\x03\x04")
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"


class UnreadableDocument(ValueError):
    """A document is no report that can be read; the text says why, in words for an operator."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that should be a report.

    Attributes:
        name: of its file, as far as it is known.
        entry: the report; None if it can't be read.
        problem: why not, in words.
        left_out: what of it says too little to count.
    """

    name: str
    entry: Entry | None
    problem: str = ""
    left_out: int = 0


def may_hold_reports(structure: bytes) -> bool:
    """Return whether a BODYSTRUCTURE tells of a part that may be a report."""
    return _WORTH_A_LOOK.search(structure) is not None


def documents_in_mail(header: bytes, body: bytes) -> list[Document]:
    """Return what of a mail should be a report."""
    about = _report_domain(Header(header))
    found = (each for each in attachments(header, body) if _is_document(each))
    return [_read(each.name or each.type, each.content, about) for each in islice(found, MOST_DOCUMENTS)]


def is_document(octets: bytes) -> bool:
    """Return whether a file is packed, or XML or JSON; else it may be a mail."""
    return octets.startswith(_PACKED) or octets.lstrip(_BLANK)[:1] in {b"<", b"{"}


def document_in_file(name: str, octets: bytes) -> Document:
    """Return the report that a file is."""
    return _read(name, octets, "")


def _read(name: str, octets: bytes, about: str) -> Document:
    try:
        entry, left_out = _entry(octets, about)
    except UnreadableDocument as error:
        return Document(name, None, str(error))
    return Document(name, entry, left_out=left_out)


def _entry(octets: bytes, about: str) -> tuple[Entry, int]:
    if len(octets) > MOST_PACKED:
        raise UnreadableDocument(f"it has more than {MOST_PACKED} octets")
    try:
        plain = unpacked(octets, MOST_UNPACKED)
        first = plain[:100].lstrip(_BLANK)[:1]
        if first == b"<" or plain.startswith((b"\xff\xfe", b"\xfe\xff")):  # XML may be in UTF-16
            read = report_reader.read_rows(plain, case_line)
            return about_dmarc(read.metadata, read.published, read.rows), read.left_out
        if first == b"{":
            sessions = tls_reading.read_report(plain)
            return about_tls(sessions.report, about), sessions.left_out
    except (UnpackError, report_elements.UnreadableReport, tls_reading.UnreadableReport) as error:
        raise UnreadableDocument(str(error)) from error
    raise UnreadableDocument("it is neither XML nor JSON")


def _is_document(part: Attachment) -> bool:
    return part.type in _TYPES or part.name.lower().endswith(_NAMES)


def _report_domain(header: Header) -> str:
    """Return which domain a report about TLS is for (RFC 8460 section 5.3); empty where that isn't said."""
    value = unfolded(header.get(b"TLS-Report-Domain") or b"").strip().decode("utf-8", "replace")
    try:
        return parse_domain(value).lower()
    except AddressError:
        return ""
