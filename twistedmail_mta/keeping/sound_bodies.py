"""Whether bodies and contents are there, as large as they should be, and referred to as often as they say."""

from __future__ import annotations

from functools import partial
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.keeping.fault import Fault, Faults, Repair, executing
from twistedmail_mta.model import id_text

_BODY_REFS: Final = """
SELECT b.id, b.refs, coalesce(u.number, 0)
FROM body b LEFT JOIN (
    SELECT body, count(*) AS number FROM (SELECT body FROM message UNION ALL SELECT body FROM content) GROUP BY body
) u ON u.body = b.id
WHERE b.refs <> coalesce(u.number, 0)
"""
_CONTENT_REFS: Final = """
SELECT c.id, c.refs, coalesce(m.number, 0) + coalesce(r.refs, 0), r.content IS NOT NULL
FROM content c
LEFT JOIN (SELECT content, count(*) AS number FROM mail GROUP BY content) m ON m.content = c.id
LEFT JOIN released r ON r.content = c.id
WHERE c.refs <> coalesce(m.number, 0) + coalesce(r.refs, 0)
"""
_NO_BODY: Final = """
SELECT 'message', id, body FROM message WHERE body NOT IN (SELECT id FROM body)
UNION ALL SELECT 'content', id, body FROM content WHERE body NOT IN (SELECT id FROM body)
"""
_NO_CONTENT: Final = """
SELECT coalesce(a.address, '?'), coalesce(b.name, '?'), m.uid FROM mail m
LEFT JOIN mailbox b ON b.id = m.mailbox LEFT JOIN accounts a ON a.id = b.account
WHERE m.content NOT IN (SELECT id FROM content)
"""
_RELEASED: Final = "SELECT content FROM released WHERE content NOT IN (SELECT id FROM content)"
_SIZES: Final = "SELECT id, size, length(data) FROM body WHERE data IS NOT NULL AND size <> length(data)"

# No server runs while they are mended, but other commands may have written since they were counted:
# who refers to one more has changed `refs`, and then nothing is done.
_DROP_BODY: Final = "DELETE FROM body WHERE id = ? AND refs = ?"
_SET_BODY: Final = "UPDATE body SET refs = ? WHERE id = ? AND refs = ?"
_SET_CONTENT: Final = "UPDATE content SET refs = ? WHERE id = ? AND refs = ?"
_GIVE_UP: Final = """
INSERT INTO released (content, refs) SELECT id, refs FROM content WHERE id = ? AND refs = ?
ON CONFLICT (content) DO UPDATE SET refs = excluded.refs
"""
_FORGET: Final = "DELETE FROM released WHERE content = ?"


def contents(tx: Transaction) -> Faults:
    """Yield what is wrong with how contents are referred to; before `bodies`, which their repair changes."""
    for content, refs, expected, _ in tx.execute(_CONTENT_REFS):
        words = f"says that {refs} messages and removals refer to it; {expected} do"
        repair = (
            executing(f"say {expected}", _SET_CONTENT, expected, content, refs)
            if expected > 0
            else Repair(
                "give it up, with its body if nothing else has that", partial(_give_up, content=content, refs=refs)
            )
        )
        yield Fault("content.references", f"content {id_text(content)}", words, repair)
    for address, mailbox, uid in tx.execute(_NO_CONTENT):
        yield Fault("mail.lost", f"UID {uid} in {mailbox} of {address}", "its header and body are gone")
    for (content,) in tx.execute(_RELEASED):
        words = "is to be given up, and isn't there"
        yield Fault("released.stray", f"content {id_text(content)}", words, executing("forget it", _FORGET, content))


def _give_up(tx: Transaction, content: int, refs: int) -> None:
    tx.execute(_GIVE_UP, (content, refs))


def bodies(tx: Transaction) -> Faults:
    """Yield what is wrong with the rows of bodies."""
    for body, refs, expected in tx.execute(_BODY_REFS):
        words = f"says that {refs} refer to it; {expected} do"
        repair = (
            executing(f"say {expected}", _SET_BODY, expected, body, refs)
            if expected
            else executing("remove it: nothing has it", _DROP_BODY, body, refs)
        )
        yield Fault("body.references", f"body {id_text(body)}", words, repair)
    for what, name, body in tx.execute(_NO_BODY):
        yield Fault("body.lost", f"{what} {id_text(name)}", f"its body {id_text(body)} is gone")
    for body, size, found in tx.execute(_SIZES):
        yield Fault("body.size", f"body {id_text(body)}", f"has {found} octets, not {size}")
