"""Reports of others as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from twistedmail_mta.reported.entry import SUCCESS
from twistedmail_mta.reported.summary import Listed, Sessions, Source
from twistedmail_mta.reported.words import proof_in_words, result_in_words, source_in_words

MOST_LINES: Final = 200
"""Lines of a report that are shown; --json prints all."""
LISTED: Final = (">ID", "Kind", "About", "From", "Time (UTC)", ">Counted", ">Failed", "Signed by")
SOURCES: Final = ("Source", ">Messages", ">Pass", ">DKIM", ">SPF", ">Refused", "Signed", "Sender", "Meaning")
SESSIONS: Final = ("MX", "Policy", ">Sessions", "Result", "Meaning", "Told by")
_CASES: Final = (">Messages", "Source", "DKIM", "SPF", "Done", "Author", "Signatures", "Sender", "Why")
_RESULTS: Final = (">Sessions", "MX", "Policy", "Result", "Reason")
_SUBJECTS: Final = {"dmarc": "mail in the name of {domain}", "tls": "TLS on the way to {domain}"}
_MODES: Final = {"r": "relaxed", "s": "strict"}


def period(begins_at: int, ends_at: int) -> str:
    """Return a time, the end only as far as it isn't that of the day."""
    begin, end = _moment(begins_at), _moment(ends_at)
    if begin[11:] == "00:00" and ends_at - begins_at in {86_399, 86_400}:
        return begin[:10]
    return f"{begin} - {end[11:] if end[:10] == begin[:10] else end}"


def _moment(at: int) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return str(at)


def listed_row(report: Listed) -> tuple[str, ...]:
    """Return a report as a row under `LISTED`."""
    return (
        str(report.id),
        report.kind,
        report.domain,
        report.organization,
        period(report.begins_at, report.ends_at),
        str(report.counted),
        str(report.failed),
        report.signer or "-",
    )


def source_row(source: Source) -> tuple[str, ...]:
    """Return a client as a row under `SOURCES`."""
    return (
        source.address,
        *map(str, (source.messages, source.passed, source.dkim, source.spf, source.rejected + source.quarantined)),
        source.signer or "-",
        source.sender or "-",
        source_in_words(source),
    )


def sessions_row(each: Sessions) -> tuple[str, ...]:
    """Return sessions as a row under `SESSIONS`."""
    others = f" and {each.told_by - 1} more" if each.told_by > 1 else ""
    reason = f" ({each.reason})" if each.reason else ""
    return (
        each.mx_host or "-",
        each.policy,
        str(each.sessions),
        each.result or "success",
        result_in_words(each.result) + reason,
        each.organization + others,
    )


def heading(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a report says as a whole."""
    yield f"Report {report['report_id']} about {_SUBJECTS[report['kind']].format(**report)}"
    contact = f"{_said(report, 'contact', ', {}')}{_said(report, 'more_contact', ', {}')}"
    yield f"  by    {report['organization']}{contact}"
    yield f"  time  {period(report['begins_at'], report['ends_at'])} UTC"
    if "proof" in report:
        yield f"  came  {_moment(report['received_at'])} UTC, {proof_in_words(report['proof'], report['signer'])}"
    if report["kind"] == "dmarc":
        yield f"  policy {', '.join(_policy(report['published']))}"
    for each in report.get("policies", ()):
        yield f"  policy of {each['domain']}: {each['type']}{_lines(each)}"
    if "error" in report:
        yield f"  error {report['error']}"


def _policy(published: Mapping[str, Any]) -> Iterator[str]:
    yield published["policy"]
    for name, words in (("subdomains", "below it {}"), ("missing", "of names that don't exist {}")):
        if name in published:
            yield words.format(published[name])
    for name, words in (("dkim", "DKIM {}"), ("spf", "SPF {}")):
        if name in published:
            yield words.format(_MODES[published[name]])
    if published.get("testing"):
        yield "only tested"


def _lines(policy: Mapping[str, Any]) -> str:
    return f" ({'; '.join(policy['lines'][:20])})" if "lines" in policy else ""


def lines_of(report: Mapping[str, Any]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return the headings and rows of what a report counts."""
    lines = report["lines"][:MOST_LINES]
    return (_CASES, [_case(each) for each in lines]) if report["kind"] == "dmarc" else (
        _RESULTS, [_result(each) for each in lines]
    )  # fmt: skip


def _case(line: Mapping[str, Any]) -> Sequence[str]:
    signatures = [f"{each.get('domain', '')} {each['word']}" for each in line.get("signatures", ())]
    sender = line.get("sender")
    whys = [f"{each['kind']}{_said(each, 'comment', ': {}')}" for each in line.get("overrides", ())]
    return (
        str(line["messages"]),
        line["source"],
        line["dkim"],
        line["spf"],
        line["disposition"],
        line["author"],
        ", ".join(signatures) or "-",
        f"{sender.get('domain', '')} {sender['word']}" if sender else "-",
        "; ".join(whys) or "-",
    )


def _result(line: Mapping[str, Any]) -> Sequence[str]:
    words = result_in_words(line["result"])
    return (
        str(line["sessions"]),
        line["mx_host"] or "-",
        f"{line['policy_type']} {line['policy']}",
        line["result"] or "success",
        "-" if line["result"] == SUCCESS else f"{words}{_said(line, 'reason', ' ({})')}",
    )


def _said(said: Mapping[str, Any], name: str, words: str) -> str:
    """Return something in words, if it is said."""
    return words.format(said[name]) if said.get(name) else ""
