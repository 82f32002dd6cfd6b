"""A report of others as it is kept: what all kinds have in common, and lines that can be summed up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from twistedmail_mta.dmarc.report import Case, Metadata, Published, Row
from twistedmail_mta.tls_report.report import Report, Results

Kind = Literal["dmarc", "tls"]
Line = tuple[Any, ...]
"""Of a report about DMARC: source, messages, disposition, dkim, spf, author's domain, further details as JSON;
of one about TLS: type and domain of the policy, MX host, result, sessions, further details as JSON."""

SUCCESS: Final = ""
"""The result of sessions that were as the policy demands."""
UNEXPLAINED: Final = "unexplained"
"""That of failures of which a report tells the number alone."""
_SHORT: Final = {"ensure_ascii": False, "separators": (",", ":")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A report.

    Attributes:
        kind: what it is about.
        domain: whose mail or TLS it tells of, in A-labels.
        organization: who made it.
        report_id: tells it from others of theirs.
        contact: whom to ask.
        begins_at: the first second that it tells of, since the epoch.
        ends_at: the last one.
        detail: what it says as a whole, as JSON.
        lines: what it counts.
    """

    kind: Kind
    domain: str
    organization: str
    report_id: str
    contact: str
    begins_at: int
    ends_at: int
    detail: str
    lines: Sequence[Line]


def about_dmarc(metadata: Metadata, published: Published, lines: Sequence[Line]) -> Entry:
    """Return a report about DMARC as it is kept; `lines` are what `case_line` makes of its rows."""
    detail = {
        "published": _said(asdict(published)),
        **_said({"more_contact": metadata.contact, "error": metadata.error, "generator": metadata.generator}),
    }
    return Entry(
        "dmarc",
        published.domain,
        metadata.organization,
        metadata.report_id,
        metadata.email,
        metadata.begin,
        metadata.end,
        json.dumps(detail, **_SHORT),  # type: ignore[arg-type]
        lines,
    )


def case_line(row: Row) -> Line:
    """Return a row as it is kept."""
    case = row.case
    return (
        case.source,
        row.count,
        case.disposition,
        case.dkim,
        case.spf,
        case.header_from,
        json.dumps(_case_detail(case), **_SHORT),  # type: ignore[arg-type]
    )


def _case_detail(case: Case) -> dict[str, Any]:
    envelope = {"envelope_from": case.envelope_from, "envelope_to": case.envelope_to}
    return {
        **{name: value for name, value in envelope.items() if value is not None},
        **_said(
            {
                "overrides": [_said(asdict(each)) for each in case.overrides],
                "signatures": [_said(asdict(each)) for each in case.signatures],
                "sender": _said(asdict(case.sender)) if case.sender is not None else None,
            }
        ),
    }


def about_tls(report: Report, about: str = "") -> Entry:
    """Return a report about TLS as it is kept.

    Args:
        report: what was read.
        about: the domain that the mail with it names, in case the report names hosts alone.
    """
    policies = [
        _said({"type": each.policy.type, "domain": each.policy.domain, "lines": each.policy.lines,
               "mx_hosts": each.policy.mx_hosts})
        for each in report.results
    ]  # fmt: skip
    return Entry(
        "tls",
        _domain_of(report, about),
        report.organization,
        report.id,
        report.contact,
        report.begins_at,
        report.ends_at,
        json.dumps({"policies": policies}, **_SHORT),  # type: ignore[arg-type]
        [line for results in report.results for line in _sessions(results)],
    )


def _domain_of(report: Report, about: str) -> str:
    """Return which mail domain a report is about: policies of TLSA records belong to hosts."""
    named = [each.policy.domain for each in report.results if each.policy.type != "tlsa"]
    return named[0] if named else about or report.results[0].policy.domain


def _sessions(results: Results) -> Iterator[Line]:
    policy = results.policy
    yield policy.type, policy.domain, "", SUCCESS, results.successful, "{}"
    for each in results.failures:
        detail = _said(asdict(each.failure))
        host, result = detail.pop("mx_host", ""), detail.pop("result")
        yield policy.type, policy.domain, host, result, each.sessions, json.dumps(detail, **_SHORT)  # type: ignore[arg-type]
    rest = results.failed - sum(each.sessions for each in results.failures)
    if rest > 0:
        yield policy.type, policy.domain, "", UNEXPLAINED, rest, "{}"


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """Return what is said: without what is empty."""
    return {name: value for name, value in values.items() if value not in ("", None, (), [])}
