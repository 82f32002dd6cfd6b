"""What an aggregate report is called (RFC 9990 section 3.5.1 and section 3.5.2): the same however often it is made."""

from __future__ import annotations

from hashlib import sha256

from twistedmail_mta.dmarc.report import Metadata


def report_id(submitter: str, domain: str, begin: int) -> str:
    """Return what tells a report from all others: letters and digits, as fit for a file name as for a Subject.

    Args:
        submitter: the host that reports.
        domain: what it reports about.
        begin: of the period, in seconds since the epoch.
    """
    return sha256(f"{submitter} {domain} {begin}".encode()).hexdigest()[:32]


def file_name(submitter: str, domain: str, metadata: Metadata) -> str:
    """Return the name of the compressed file."""
    return f"{submitter}!{domain}!{metadata.begin}!{metadata.end}!{metadata.report_id}.xml.gz"


def subject(submitter: str, domain: str, metadata: Metadata) -> str:
    """Return the Subject of its mail."""
    return f"Report Domain: {domain} Submitter: {submitter} Report-ID: <{metadata.report_id}>"
