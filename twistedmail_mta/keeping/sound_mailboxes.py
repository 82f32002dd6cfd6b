"""Whether the counters of mailboxes are right, and their messages as they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.keeping.fault import Fault, Faults, executing

_MAILBOXES: Final = """
SELECT b.id, coalesce(a.address, '?'), b.name, b.messages, b.octets, b.uid_next, b.modseq, b.flags_modseq
FROM mailbox b LEFT JOIN accounts a ON a.id = b.account ORDER BY b.id
"""
_COUNTED: Final = """
SELECT count(*), coalesce(sum(a.size), 0), coalesce(max(m.uid), 0), coalesce(max(m.modseq), 0), count(*) - count(a.uid)
FROM mail m LEFT JOIN arrival a USING (mailbox, uid) WHERE m.mailbox = ?
"""
_STRAY: Final = """
SELECT count(*) FROM arrival a
WHERE a.mailbox = ? AND NOT EXISTS (SELECT 1 FROM mail m WHERE m.mailbox = a.mailbox AND m.uid = a.uid)
"""
_SNAPSHOT: Final = "SELECT 1 FROM snapshot WHERE mailbox = ? AND (modseq > ? OR uid_next > ?)"
_SIZES: Final = """
SELECT coalesce(x.address, '?'), coalesce(b.name, '?'), m.uid, a.size, length(a.prefix) + length(c.header) + o.size
FROM mail m JOIN arrival a USING (mailbox, uid) JOIN content c ON c.id = m.content JOIN body o ON o.id = c.body
LEFT JOIN mailbox b ON b.id = m.mailbox LEFT JOIN accounts x ON x.id = b.account
WHERE a.size <> length(a.prefix) + length(c.header) + o.size
"""
_HOMELESS: Final = """
SELECT mailbox, count(*) FROM mail WHERE mailbox NOT IN (SELECT id FROM mailbox) GROUP BY mailbox
"""
_VALIDITY: Final = """
SELECT last, (SELECT coalesce(max(uid_validity), 0) FROM mailbox) FROM uid_validity
WHERE last < (SELECT coalesce(max(uid_validity), 0) FROM mailbox)
"""

_RECOUNT: Final = """
UPDATE mailbox SET
    messages = (SELECT count(*) FROM mail WHERE mailbox = ?1),
    octets = (SELECT coalesce(sum(a.size), 0) FROM mail m JOIN arrival a USING (mailbox, uid) WHERE m.mailbox = ?1)
WHERE id = ?1
"""
_RAISE_UID: Final = "UPDATE mailbox SET uid_next = (SELECT max(uid) + 1 FROM mail WHERE mailbox = ?1) WHERE id = ?1"
_RAISE_MODSEQ: Final = """
UPDATE mailbox SET modseq = max(modseq, flags_modseq, (SELECT coalesce(max(modseq), 1) FROM mail WHERE mailbox = ?1))
WHERE id = ?1
"""
_FORGET_SNAPSHOT: Final = "DELETE FROM snapshot WHERE mailbox = ?"
_REMOVE_STRAY: Final = """
DELETE FROM arrival WHERE mailbox = ?1 AND uid NOT IN (SELECT uid FROM mail WHERE mailbox = ?1)
"""
_RAISE_VALIDITY: Final = "UPDATE uid_validity SET last = (SELECT max(uid_validity) FROM mailbox)"


@dataclass(frozen=True, slots=True)
class _Row:
    mailbox: int
    address: str
    name: str
    messages: int
    octets: int
    uid_next: int
    modseq: int
    flags_modseq: int

    @property
    def subject(self) -> str:
        return f"{'a deleted mailbox' if self.name < ' ' else self.name} of {self.address}"


def mailboxes(tx: Transaction) -> Faults:
    """Yield what is wrong with mailboxes, one after the other, and with all of them."""
    for values in tx.execute(_MAILBOXES):
        yield from _mailbox(tx, _Row(*values))
    for last, greatest in tx.execute(_VALIDITY):
        words = f"the last that was given is {greatest}, not {last}: a new mailbox could get it again"
        yield Fault("mailbox.validity", "UIDVALIDITY", words, executing(f"say {greatest}", _RAISE_VALIDITY))


def _mailbox(tx: Transaction, row: _Row) -> Faults:
    ((messages, octets, uid, modseq, bare),) = list(tx.execute(_COUNTED, (row.mailbox,)))
    if (messages, octets) != (row.messages, row.octets):
        words = f"says {row.messages} messages with {row.octets} octets; there are {messages} with {octets}"
        yield Fault("mailbox.counts", row.subject, words, executing("count anew", _RECOUNT, row.mailbox))
    if uid >= row.uid_next:
        words = f"the next UID would be {row.uid_next}, and there is {uid}"
        yield Fault("mailbox.uid", row.subject, words, executing(f"go on with {uid + 1}", _RAISE_UID, row.mailbox))
    if max(modseq, row.flags_modseq) > row.modseq:
        words = f"its MODSEQ is {row.modseq}, and there is {max(modseq, row.flags_modseq)}"
        yield Fault("mailbox.modseq", row.subject, words, executing("raise it", _RAISE_MODSEQ, row.mailbox))
    if bare:
        yield Fault("mail.bare", row.subject, f"of {bare} messages size and dates are gone")
    yield from _around(tx, row)


def _around(tx: Transaction, row: _Row) -> Faults:
    """Yield what is wrong with what belongs to a mailbox."""
    ((stray,),) = list(tx.execute(_STRAY, (row.mailbox,)))
    if stray:
        words = f"there are dates of {stray} messages that aren't there"
        yield Fault("mail.stray", row.subject, words, executing("remove them", _REMOVE_STRAY, row.mailbox))
    if list(tx.execute(_SNAPSHOT, (row.mailbox, row.modseq, row.uid_next))):
        words = "what is remembered for opening it is of a later state"
        yield Fault("mailbox.snapshot", row.subject, words, executing("forget it", _FORGET_SNAPSHOT, row.mailbox))


def messages(tx: Transaction) -> Faults:
    """Yield what is wrong with messages in mailboxes."""
    for address, name, uid, size, found in tx.execute(_SIZES):
        yield Fault("mail.size", f"UID {uid} in {name} of {address}", f"is said to have {size} octets, and has {found}")
    for mailbox, number in tx.execute(_HOMELESS):
        yield Fault("mail.homeless", f"mailbox {mailbox}", f"{number} messages are in it, and it isn't there")
