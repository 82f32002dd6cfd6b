"""The mailboxes of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction

_COLUMNS: Final = """
SELECT id, account, name, uid_validity, special_use, messages, octets, uid_next, modseq, recent_from FROM mailbox
"""

_OF_ACCOUNT: Final = f"{_COLUMNS} WHERE account = ? AND name >= ' ' ORDER BY name"

_NAMED: Final = f"{_COLUMNS} WHERE account = ? AND name = ? AND name >= ' '"


@dataclass(frozen=True, slots=True)
class Mailbox:
    r"""A mailbox as its row was when it was read.

    Attributes:
        id: never given twice.
        account: the id of the account that owns it.
        name: levels are separated by "/".
        uid_validity: RFC 9051's UIDVALIDITY.
        special_use: RFC 6154's attribute, such as `\Sent`; None for an ordinary one.
        messages: how many are in it.
        octets: how many octets these have, as they are sent.
        uid_next: above the UID of every message that was ever in it.
        modseq: RFC 7162's HIGHESTMODSEQ.
        recent_from: messages from this UID on are recent to the next session (RFC 3501 section 2.3.2).
    """

    id: int
    account: int
    name: str
    uid_validity: int
    special_use: str | None
    messages: int
    octets: int
    uid_next: int
    modseq: int
    recent_from: int

    def uidl(self, uid: int) -> str:
        """Return what POP3 calls a message that wasn't called otherwise elsewhere (RFC 1939 section 7)."""
        return f"{self.uid_validity:08x}{uid:08x}"


def mailboxes(tx: Transaction, account: int) -> Sequence[Mailbox]:
    """Return the mailboxes of an account, in the order of their names."""
    return [Mailbox(*row) for row in tx.execute(_OF_ACCOUNT, (account,))]


def named(tx: Transaction, account: int, name: str) -> Mailbox | None:
    """Return the mailbox of that name, or None."""
    for row in list(tx.execute(_NAMED, (account, name))):
        return Mailbox(*row)
    return None
