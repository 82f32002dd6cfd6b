"""An aggregate report as XML: the form of RFC 9990 appendix A, element by element in the order of its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape

from twistedmail_mta.dmarc.report import (
    AggregateReport,
    Case,
    Metadata,
    Override,
    OverrideKind,
    Published,
    Row,
    SenderResult,
    SignatureResult,
)

NAMESPACE: Final = "urn:ietf:params:xml:ns:dmarc-2.0"
MOST_SIGNATURES: Final = 100
"""Of one row (RFC 9990 section 3.1.3)."""

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to say, escaped or not."""
_LOST: Final[dict[OverrideKind, OverrideKind]] = {"forwarded": "other", "sampled_out": "other"}
"""Kinds that RFC 9990 took away."""
_INDENT: Final = "  "


def written(report: AggregateReport) -> bytes:
    """Return a report as XML in UTF-8.

    Letters that XML can't hold are replaced by question marks.

    Raises:
        ValueError: the report has no rows, and so is none.
    """
    if not report.rows:
        raise ValueError("a report without rows is none")
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<feedback xmlns="{NAMESPACE}">',
        *_below(_text("version", "1.0")),
        *_below(_metadata(report.metadata)),
        *_below(_published(report.published)),
        *(line for row in report.rows for line in _below(_row(row))),
        "</feedback>",
        "",
    ]
    return "\n".join(lines).encode()


def _metadata(metadata: Metadata) -> Iterator[str]:
    yield "<report_metadata>"
    yield from _below(_text("org_name", metadata.organization))
    yield from _below(_text("email", metadata.email))
    yield from _below(_said("extra_contact_info", metadata.contact))
    yield from _below(_text("report_id", metadata.report_id))
    yield from _below(_period(metadata))
    yield from _below(_said("error", metadata.error))
    yield from _below(_said("generator", metadata.generator))
    yield "</report_metadata>"


def _period(metadata: Metadata) -> Iterator[str]:
    yield "<date_range>"
    yield from _below(_text("begin", str(metadata.begin)))
    yield from _below(_text("end", str(metadata.end)))
    yield "</date_range>"


def _published(published: Published) -> Iterator[str]:
    yield "<policy_published>"
    yield from _below(_text("domain", published.domain))
    yield from _below(_said("discovery_method", published.discovery))
    yield from _below(_text("p", published.policy))
    yield from _below(_said("sp", published.subdomains))
    yield from _below(_said("np", published.missing))
    yield from _below(_said("fo", published.failure_options))
    yield from _below(_said("adkim", published.dkim))
    yield from _below(_said("aspf", published.spf))
    if published.testing is not None:
        yield from _below(_text("testing", "y" if published.testing else "n"))
    yield "</policy_published>"


def _row(row: Row) -> Iterator[str]:
    yield "<record>"
    yield from _below(_evaluated(row))
    yield from _below(_identifiers(row.case))
    yield from _below(_results(row.case))
    yield "</record>"


def _evaluated(row: Row) -> Iterator[str]:
    case = row.case
    yield "<row>"
    yield from _below(_text("source_ip", case.source))
    yield from _below(_text("count", str(row.count)))
    yield f"{_INDENT}<policy_evaluated>"
    for name, value in (("disposition", case.disposition), ("dkim", case.dkim), ("spf", case.spf)):
        yield from _below(_below(_text(name, value)))
    for override in case.overrides:
        yield from _below(_below(_override(override)))
    yield f"{_INDENT}</policy_evaluated>"
    yield "</row>"


def _override(override: Override) -> Iterator[str]:
    yield "<reason>"
    yield from _below(_text("type", _LOST.get(override.kind, override.kind)))
    yield from _below(_said("comment", override.comment))
    yield "</reason>"


def _identifiers(case: Case) -> Iterator[str]:
    yield "<identifiers>"
    yield from _below(_text("header_from", case.header_from))
    if case.envelope_from is not None:
        yield from _below(_text("envelope_from", case.envelope_from))
    yield from _below(_said("envelope_to", case.envelope_to))
    yield "</identifiers>"


def _results(case: Case) -> Iterator[str]:
    yield "<auth_results>"
    for signature in case.signatures[:MOST_SIGNATURES]:
        yield from _below(_signature(signature))
    if case.sender is not None:
        yield from _below(_sender(case.sender))
    yield "</auth_results>"


def _signature(signature: SignatureResult) -> Iterator[str]:
    yield "<dkim>"
    yield from _below(_text("domain", signature.domain))
    yield from _below(_text("selector", signature.selector))
    yield from _below(_text("result", signature.word))
    yield from _below(_said("human_result", signature.reason))
    yield "</dkim>"


def _sender(sender: SenderResult) -> Iterator[str]:
    yield "<spf>"
    yield from _below(_text("domain", sender.domain))
    if sender.scope == "mfrom":  # the only one there is (RFC 9990 section 3.1.1.13)
        yield from _below(_text("scope", sender.scope))
    yield from _below(_text("result", sender.word))
    yield from _below(_said("human_result", sender.reason))
    yield "</spf>"


def _below(lines: Iterator[str]) -> Iterator[str]:
    return (f"{_INDENT}{line}" for line in lines)


def _said(name: str, text: str | None) -> Iterator[str]:
    """Yield an element, if there is something to say."""
    if text:
        yield from _text(name, text)


def _text(name: str, text: str) -> Iterator[str]:
    # A bare CR would be read as LF, so it is said by number.
    plain = escape(_FORBIDDEN.sub("?", text), {"\r": "&#13;"})
    yield f"<{name}>{plain}</{name}>"
