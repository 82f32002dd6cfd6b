"""A TLS report as values (RFC 8460 section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PolicyType = Literal["tlsa", "sts", "no-policy-found"]

ResultType = Literal[
    "starttls-not-supported",
    "certificate-host-mismatch",
    "certificate-expired",
    "certificate-not-trusted",
    "validation-failure",
    "tlsa-invalid",
    "dnssec-invalid",
    "dane-required",
    "sts-policy-fetch-error",
    "sts-policy-invalid",
    "sts-webpki-invalid",
]
"""What was wrong with a session, as RFC 8460 section 4.3 names it."""

DAY: Final = 86_400
"""Seconds of a day, which is what a report is about (RFC 8460 section 4.1)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What was found to be demanded of a host.

    Attributes:
        type: by whom it is demanded.
        domain: whose policy it is (A-labels): of a TLSA record the name that it was found at.
        lines: the policy's own lines, or TLSA records as `3 1 1 ...`.
        mx_hosts: which hosts an MTA-STS policy names, as it names them.
    """

    type: PolicyType
    domain: str
    lines: tuple[str, ...] = ()
    mx_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in sessions that are alike.

    Attributes:
        result: a `ResultType`; reports of others may hold one that isn't known here.
        sending_ip: where the sessions came from; empty where that isn't known, as with all that follows.
        mx_host: the host that was spoken to.
        receiving_ip: its address.
        mx_helo: what it called itself.
        reason: `failure-reason-code`, in words.
        information: a URI that leads to more.
    """

    result: str
    sending_ip: str = ""
    mx_host: str = ""
    receiving_ip: str = ""
    mx_helo: str = ""
    reason: str = ""
    information: str = ""


@dataclass(frozen=True, slots=True)
class Failures:
    """How many sessions failed that way."""

    failure: Failure
    sessions: int


@dataclass(frozen=True, slots=True)
class Results:
    """The sessions under one policy.

    Attributes:
        policy: what was demanded.
        successful: sessions that were as demanded.
        failed: sessions that weren't.
        failures: the same in detail; not all of them, if there were too many.
    """

    policy: Policy
    successful: int = 0
    failed: int = 0
    failures: tuple[Failures, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What one sender tells of the sessions of a time, mostly a day.

    Attributes:
        organization: who tells.
        contact: whom to ask.
        id: names the report among those of this sender.
        begins_at: the first second, since the epoch.
        ends_at: the last one.
        results: the sessions, for each policy.
    """

    organization: str
    contact: str
    id: str
    begins_at: int
    ends_at: int
    results: tuple[Results, ...] = ()
