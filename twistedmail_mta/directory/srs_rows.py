"""The rows of rewritten senders: the secret, and those that are too long to be written out."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mail.srs import DAY, MAX_AGE
from twistedmail_mta.model import Address

FORGOTTEN_AT_ONCE: Final = 100
"""Rows that a write may take away, so that it stays short."""

_KEEP: Final = """
INSERT INTO srs_sender (key, local, domain, used_at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (key) DO UPDATE SET used_at = ?4 WHERE used_at < ?4
"""
_FORGET: Final = "DELETE FROM srs_sender WHERE key IN (SELECT key FROM srs_sender WHERE used_at < ? LIMIT ?)"


def kept_secret(tx: Transaction, fresh: bytes) -> bytes:
    """Return the secret of this site; `fresh` becomes it if there is none."""
    tx.execute("INSERT OR IGNORE INTO srs_secret (one, secret) VALUES (1, ?)", (fresh,))
    for (secret,) in tx.execute("SELECT secret FROM srs_secret"):
        return bytes(secret)
    raise LookupError("the secret is gone")


def keep_sender(tx: Transaction, key: str, sender: Address, now: float) -> None:
    """Keep a sender for as long as what stands for it is good; forget some for which nothing is any more."""
    today = now - now % DAY
    tx.execute(_KEEP, (key, sender.local, sender.domain, today))
    tx.execute(_FORGET, (today - (MAX_AGE + 1) * DAY, FORGOTTEN_AT_ONCE))


def stored_sender(tx: Transaction, key: str) -> Address | None:
    """Return the sender under a key."""
    for local, domain in tx.execute("SELECT local, domain FROM srs_sender WHERE key = ?", (key,)):
        return Address(local, domain)
    return None
