"""A message without anything odd, for a dry run whose subject is its envelope."""

from __future__ import annotations

import time


def plain_message(sender: str, recipients: tuple[str, ...], now: float) -> bytes:
    """Return a message without anything odd, for who has none at hand.

    Args:
        sender: who wrote it; empty: this host's own.
        recipients: to whom.
        now: seconds since the epoch.
    """
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(now))
    author = sender or "postmaster@client.invalid"
    lines = [
        f"Date: {date}",
        f"From: <{author}>",
        f"To: {', '.join(f'<{each}>' for each in recipients)}",
        f"Message-ID: <{int(now * 1000)}@client.invalid>",
        "Subject: A message that nobody sends",
        "",
        "This is a dry run.",
        "",
    ]
    return "\r\n".join(lines).encode()
