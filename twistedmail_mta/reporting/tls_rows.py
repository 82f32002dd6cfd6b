"""TLS sessions as rows: counted by day, domain and policy, failures in detail as far as there is room."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.tls_report.report import Failure, Failures, Policy, Results

MOST_POLICIES: Final = 20
"""Policies of one domain and day; the sessions under all further ones are counted together."""
MOST_A_DAY: Final = 20_000
"""Policies of all domains on one day; sessions of further domains aren't counted."""
MOST_DETAILS: Final = 200
"""Kinds of failures under one policy; all further ones are in the sum alone."""
_FORGOTTEN_AT_ONCE: Final = 500

_ADD: Final = """
INSERT INTO tls_day (day, domain, policy, successful, failed) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (day, domain, policy) DO UPDATE
SET successful = successful + excluded.successful, failed = failed + excluded.failed
RETURNING id, details"""


@dataclass(frozen=True, slots=True)
class Entry:
    """Sessions that are to be added.

    Attributes:
        day: when they were.
        domain: whose mail it was.
        policy: what was demanded, as `policy_text` says it.
        bare_policy: the same without its lines, for a domain that has too many.
        successful: how many were as demanded.
        failures: the others: what was wrong, as `failure_text` says it, and how often.
    """

    day: int
    domain: str
    policy: str
    bare_policy: str
    successful: int
    failures: Sequence[tuple[str, int]]


def policy_text(policy: Policy) -> str:
    """Return a policy as a row has it."""
    return json.dumps(astuple(policy), ensure_ascii=False)


def failure_text(failure: Failure) -> str:
    """Return a failure as a row has it."""
    return json.dumps(astuple(failure), ensure_ascii=False)


def add_entries(tx: Transaction, entries: Iterable[Entry]) -> None:
    """Count sessions."""
    for entry in entries:
        policies = _policies(tx, entry)
        if not policies and _is_full(tx, entry.day):
            continue
        policy = entry.policy if len(policies) < MOST_POLICIES or entry.policy in policies else entry.bare_policy
        failed = sum(sessions for _, sessions in entry.failures)
        ((day_id, details),) = tx.execute(_ADD, (entry.day, entry.domain, policy, entry.successful, failed))
        for failure, sessions in entry.failures:
            details += _add_failure(tx, day_id, failure, sessions, has_room=details < MOST_DETAILS)
        tx.execute("UPDATE tls_day SET details = ? WHERE id = ?", (details, day_id))


def _policies(tx: Transaction, entry: Entry) -> list[str]:
    """Return what is demanded by the entry's domain in rows that are there."""
    rows = tx.execute("SELECT policy FROM tls_day WHERE day = ? AND domain = ?", (entry.day, entry.domain))
    return [policy for (policy,) in rows]


def _is_full(tx: Transaction, day: int) -> bool:
    ((policies,),) = tx.execute("SELECT count(*) FROM tls_day WHERE day = ?", (day,))
    return bool(policies >= MOST_A_DAY)


def _add_failure(tx: Transaction, day_id: int, failure: str, sessions: int, *, has_room: bool) -> bool:
    """Count sessions that failed alike; return whether that took a row."""
    tx.execute(
        "UPDATE tls_failure SET sessions = sessions + ? WHERE day_id = ? AND failure = ?", (sessions, day_id, failure)
    )
    if tx.changes() or not has_room:
        return False
    tx.execute("INSERT INTO tls_failure (day_id, failure, sessions) VALUES (?, ?, ?)", (day_id, failure, sessions))
    return True


def domains_of(tx: Transaction, day: int, most: int) -> list[str]:
    """Return the domains that there were sessions for on a day, those with most first."""
    rows = tx.execute(
        "SELECT domain FROM tls_day WHERE day = ? GROUP BY domain ORDER BY sum(successful + failed) DESC, domain"
        " LIMIT ?",
        (day, most),
    )
    return [domain for (domain,) in rows]


def results_of(tx: Transaction, day: int, domain: str) -> tuple[Results, ...]:
    """Return the sessions of a day and domain."""
    rows = list(
        tx.execute(
            "SELECT id, policy, successful, failed FROM tls_day WHERE day = ? AND domain = ? ORDER BY id",
            (day, domain),
        )
    )
    return tuple(
        Results(_policy_of(policy), successful, failed, _failures_of(tx, day_id))
        for day_id, policy, successful, failed in rows
    )


def forget(tx: Transaction, before: int) -> bool:
    """Delete some sessions of days before one; return whether there may be more."""
    ids = [day_id for (day_id,) in tx.execute(
        "SELECT id FROM tls_day WHERE day < ? LIMIT ?", (before, _FORGOTTEN_AT_ONCE)
    )]  # fmt: skip
    for day_id in ids:
        tx.execute("DELETE FROM tls_failure WHERE day_id = ?", (day_id,))
        tx.execute("DELETE FROM tls_day WHERE id = ?", (day_id,))
    return len(ids) == _FORGOTTEN_AT_ONCE


def _policy_of(text: str) -> Policy:
    kind, domain, lines, mx_hosts = json.loads(text)
    return Policy(kind, domain, tuple(lines), tuple(mx_hosts))


def _failures_of(tx: Transaction, day_id: int) -> tuple[Failures, ...]:
    rows = tx.execute(
        "SELECT failure, sessions FROM tls_failure WHERE day_id = ? ORDER BY sessions DESC, failure", (day_id,)
    )
    return tuple(Failures(Failure(*json.loads(failure)), sessions) for failure, sessions in rows)
