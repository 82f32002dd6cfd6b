"""Flags of messages changed: the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.change import Flagged

ANY: Final = (1 << 63) - 1
"""A mod-sequence above all others (RFC 7162 section 7, mod-sequence-value)."""

SET_FLAGS: Final = """
UPDATE mail SET flags = (flags & ?3) | ?4, modseq = (SELECT modseq + 1 FROM mailbox WHERE id = ?1)
WHERE mailbox = ?1 AND uid IN (SELECT value FROM json_each(?2)) AND (flags & ?3) | ?4 <> flags AND modseq <= ?5
RETURNING uid, flags
"""

CHANGED_SINCE: Final = """
SELECT uid FROM mail WHERE mailbox = ?1 AND uid IN (SELECT value FROM json_each(?2)) AND modseq > ?3 ORDER BY uid
"""

FLAGS_CHANGED: Final = """
UPDATE mailbox SET modseq = modseq + 1, flags_modseq = modseq + 1 WHERE id = ? RETURNING modseq
"""


@dataclass(frozen=True, slots=True)
class Flagging:
    """What became of an attempt to change flags.

    Attributes:
        changed: what it changed, a change for each transaction; not the messages that had these flags already.
        refused: UIDs of messages that were changed after what the client knows, ascending (RFC 7162 section 3.1.3).
    """

    changed: Sequence[Flagged] = ()
    refused: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """How flags are to change.

    Attributes:
        keep: the bits that stay as they are.
        add: the bits that are set.
        unchanged_since: only where nothing was changed after this MODSEQ.
    """

    keep: int
    add: int
    unchanged_since: int = ANY


def set_flags(tx: Transaction, mailbox: int, uids: str, wanted: Wanted) -> Flagging:
    """Change the flags of messages, those that are there.

    Args:
        tx: the transaction.
        mailbox: where.
        uids: which, as a JSON array.
        wanted: how.
    """
    refused: list[int] = []
    if wanted.unchanged_since != ANY:
        refused = [uid for (uid,) in tx.execute(CHANGED_SINCE, (mailbox, uids, wanted.unchanged_since))]
    changed = sorted(tx.execute(SET_FLAGS, (mailbox, uids, wanted.keep, wanted.add, wanted.unchanged_since)))
    if not changed:
        return Flagging((), refused)
    ((modseq,),) = list(tx.execute(FLAGS_CHANGED, (mailbox,)))
    return Flagging([Flagged(mailbox, modseq, [uid for uid, _ in changed], [bits for _, bits in changed])], refused)
