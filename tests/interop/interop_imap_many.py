"""A large folder."""

from __future__ import annotations

from imapclient import IMAPClient
from interop_daemons import PATIENCE
from interop_imap_messages import note
from interop_imap_site import HOST, Account

MANY = 2000


def fill(account: Account, folder: str) -> None:
    """Put `MANY` messages into a folder, in one command (RFC 3502)."""
    with IMAPClient(HOST, account.clear, ssl=False, timeout=PATIENCE) as client:
        client.login(account.user, account.password)
        client.multiappend(folder, [note(f"token-{number}") for number in range(MANY)])
