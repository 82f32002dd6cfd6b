"""Writes a TLS report as JSON (RFC 8460 section 4.4)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from twistedmail_mta.tls_report.report import Failures, Policy, Report, Results

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)


def written(report: Report) -> bytes:
    """Return a report as JSON, in UTF-8; a plain function, which may run on any thread, and gives others their turn.

    The encoder in C, which `json.dumps` takes, keeps the interpreter to itself until it has written the last octet.
    """
    return "".join(_ENCODER.iterencode(_report(report))).encode("utf-8", "replace")


def _report(report: Report) -> dict[str, Any]:
    return {
        "organization-name": report.organization,
        "date-range": {"start-datetime": _moment(report.begins_at), "end-datetime": _moment(report.ends_at)},
        "contact-info": report.contact,
        "report-id": report.id,
        "policies": [_results(results) for results in report.results],
    }


def _results(results: Results) -> dict[str, Any]:
    written: dict[str, Any] = {
        "policy": _policy(results.policy),
        "summary": {
            "total-successful-session-count": results.successful,
            "total-failure-session-count": results.failed,
        },
    }
    if results.failures:
        written["failure-details"] = [_failures(failures) for failures in results.failures]
    return written


def _policy(policy: Policy) -> dict[str, Any]:
    written: dict[str, Any] = {"policy-type": policy.type}
    if policy.lines:
        written["policy-string"] = list(policy.lines)
    written["policy-domain"] = policy.domain
    if policy.mx_hosts:
        written["mx-host"] = list(policy.mx_hosts)
    return written


def _failures(failures: Failures) -> dict[str, Any]:
    failure = failures.failure
    known = {
        "sending-mta-ip": failure.sending_ip,
        "receiving-mx-hostname": failure.mx_host,
        "receiving-mx-helo": failure.mx_helo,
        "receiving-ip": failure.receiving_ip,
        "additional-information": failure.information,
        "failure-reason-code": failure.reason,
    }
    return {
        "result-type": failure.result,
        **{name: value for name, value in known.items() if value},
        "failed-session-count": failures.sessions,
    }


def _moment(at: int) -> str:
    """Return a time as RFC 3339 writes it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
