"""Pictures of a site for `mta top`, made up."""

from __future__ import annotations

from typing import Any

from twistedmail_mta.cli.top_picture import Picture, QueuePicture
from twistedmail_mta.spool.operator import QueueCounts, QueuedMessage, QueuedRecipient

AT = 1_800_000_000.0
RATES = {"10s": 12.34, "1m": 0.0, "5m": None}


def lane(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": f"mx{number}.example.net", "running": 2, "allowed": 20, "waiting": number, "recipients": number + 2,
        "rest": 0.0, "resting_until": None, "dead": False, "crowded": False, "said": "250 2.0.0 Ok",
    } | fields  # fmt: skip


def figures(**fields: Any) -> dict[str, Any]:
    """What a running server says."""
    return {
        "release": "1", "process": 42, "started_at": AT - 7200, "at": AT, "hostname": "mail.example.org",
        "sessions": [{"listener": "mx", "role": "mx", "open": 3, "begun": 99, "rates": RATES}],
        "rates": {name: {"total": 7, **RATES} for name in ("accepted", "delivered", "deferred", "failed", "refused")},
        "lanes": {"number": 1, "transfers": 2, "waiting": 1, "recipients": 3, "troubles": [], "listed": [lane(1)]},
        "senders": {"seconds": 120.0, "listed": [{"name": "ann@example.org", "messages": 60}]},
        "reactor": {"10s": 0.002, "1m": 0.02, "5m": 2.5},
        "database": {"commits": {"total": 9, **RATES}, "wait": {"10s": 0.0015, "1m": None, "5m": None}, "waiting": 4},
        "memory": {"held": 120 << 20, "most": 1000 << 20},
    } | fields  # fmt: skip


def message(number: int, **fields: Any) -> QueuedMessage:
    recipient = QueuedRecipient("bob@example.net", "waiting", 1, AT, AT, "450 4.2.0 busy", "mx", None, 0)
    return QueuedMessage(
        **{
            "id": f"id{number}", "sender": "ann@example.org", "size": 9, "received_at": AT - 3600, "account": None,
            "peer": "192.0.2.1", "recipients": (recipient,),
        } | fields
    )  # fmt: skip


def picture(server: dict[str, Any] | None = None, messages: int = 3, trouble: str = "") -> Picture:
    """A moment of a site with a queue."""
    return Picture(
        AT,
        server,
        QueuePicture(
            AT,
            QueueCounts(messages, messages, 1, messages - 1, 0, 0, 0) if messages else QueueCounts(),
            (("throttled", (1, 2, 0, 0, 0, 0, 0)),) if messages else (),
            tuple(map(message, range(messages))),
        ),
        trouble,
    )
