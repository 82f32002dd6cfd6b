"""What a submission server does to a header (RFC 6409 section 8) and demands of it.

Missing From, Date and Message-ID are added, Bcc is removed; From must be the
login's.  Nothing else is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedmail_mta.errors import PermanentError
from twistedmail_mta.interfaces import ISubmitter
from twistedmail_mta.mail.addresses import addresses
from twistedmail_mta.mail.header import Header
from twistedmail_mta.receive.replies import FROM_NOT_YOURS, NO_SINGLE_FROM, NUL_IN_HEADER
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError
from twistedmail_mta.smtp.xtext import decode_xtext

_REMOVED: Final = (b"Bcc", b"Resent-Bcc", b"Return-Path")


@dataclass(frozen=True, slots=True)
class Completion:
    """What missing fields are made of.

    Attributes:
        date: as `date_text` gives it.
        message_id: without angle brackets.
    """

    date: str
    message_id: str


def complete_header(header: Header, submitter: ISubmitter, completion: Completion) -> Header:
    """Return the header as it is sent on.

    Raises:
        PermanentError: From isn't the login's, or can't be understood.
    """
    if b"\0" in header.block:
        raise PermanentError(NUL_IN_HEADER)  # who drops it might see another From
    _check_from(header, submitter)
    fields = (
        (b"Message-ID", f"Message-ID: <{completion.message_id}>"),
        (b"Date", f"Date: {completion.date}"),
        (b"From", f"From: <{submitter.account}>"),
    )
    missing = [field for name, field in fields if not header.has(name)]
    completed = header.without(*_REMOVED)
    for field in missing:
        completed = completed.prepend(f"{field}\r\n".encode())
    return completed


def vouched_author(claimed: str | None, submitter: ISubmitter | None) -> str | None:
    """Return the AUTH parameter of MAIL as it may be handed on.

    Whoever claims an author and may not send as that one is taken to have
    said `<>` (RFC 4954 section 5).

    Args:
        claimed: the parameter in xtext, "<>", or None without one.
        submitter: the login, if there is one.
    """
    if claimed is None or claimed == "<>":
        return claimed
    try:
        author = parse_address(decode_xtext(claimed))
    except (AddressError, ValueError):
        return "<>"
    return claimed if submitter is not None and submitter.may_send_as(author) else "<>"


def _check_from(header: Header, submitter: ISubmitter) -> None:
    """Demand one From at most, with addresses of the login only."""
    if header.count(b"From", up_to=2) > 1:
        raise PermanentError(NO_SINGLE_FROM)
    for value in header.get_all(b"From"):
        authors = addresses(value)
        if not authors:
            raise PermanentError(NO_SINGLE_FROM)
        if not all(submitter.may_send_as(author) for author in authors):
            raise PermanentError(FROM_NOT_YOURS)
