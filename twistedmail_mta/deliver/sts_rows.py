"""The MTA-STS policies that are kept, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mta_sts.policy import Policy, parse_policy

MOST: Final = 100_000
"""How many policies are kept; those fetched longest ago go first."""
AT_ONCE: Final = 20
"""Policies that are fetched anew at once."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy of a domain, with the time that it is good for.

    Attributes:
        id: what the TXT record called it.
        policy: the policy.
        fetched_at: when it was fetched, in seconds since the epoch.
        expires_at: when its time is over.
    """

    id: str
    policy: Policy
    fetched_at: float
    expires_at: float


def find_policy(tx: Transaction, domain: str) -> Kept | None:
    """Return what is kept for a domain, though its time may be over."""
    for policy_id, text, fetched_at, expires_at in tx.execute(
        "SELECT id, text, fetched_at, expires_at FROM mta_sts_policy WHERE domain = ?", (domain,)
    ):
        return Kept(policy_id, parse_policy(text), fetched_at, expires_at)
    return None


def keep_policy(tx: Transaction, domain: str, policy_id: str, text: bytes, at: tuple[float, float]) -> None:
    """Keep a policy in place of what was kept, and let go what is over or too much.

    Args:
        tx: writes.
        domain: whose it is.
        policy_id: what the TXT record called it.
        text: one that can be parsed.
        at: when it was fetched, and when its time is over.
    """
    tx.execute("DELETE FROM mta_sts_policy WHERE expires_at < ?", (at[0],))
    tx.execute(
        "INSERT OR REPLACE INTO mta_sts_policy (domain, id, text, fetched_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        (domain, policy_id, text, *at),
    )
    tx.execute(
        "DELETE FROM mta_sts_policy WHERE domain IN (SELECT domain FROM mta_sts_policy ORDER BY fetched_at DESC"
        " LIMIT -1 OFFSET ?)",
        (MOST,),
    )


def old_policies(tx: Transaction, now: float, after: str) -> list[str]:
    """Return some domains whose policies are past half their time, in the order of their names, after one."""
    return [
        domain
        for (domain,) in tx.execute(
            "SELECT domain FROM mta_sts_policy WHERE domain > ? AND expires_at > ?"
            " AND (fetched_at + expires_at) / 2 < ? ORDER BY domain LIMIT ?",
            (after, now, now, AT_ONCE),
        )
    ]
