"""Whether what waits in the queue and in quarantine belongs together, and what is counted is right."""

from __future__ import annotations

from functools import partial
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.keeping.fault import Fault, Faults, Repair, executing
from twistedmail_mta.model import id_text
from twistedmail_mta.spool.tables import drop_empty

_NO_RECIPIENT: Final = "SELECT id FROM message m WHERE NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.id)"
_NO_MESSAGE: Final = """
SELECT message, count(*) FROM recipient WHERE message NOT IN (SELECT id FROM message) GROUP BY message
"""
_DETAINED: Final = "SELECT message FROM detention WHERE message NOT IN (SELECT id FROM message)"
_DELIVERED: Final = "SELECT DISTINCT message FROM delivered WHERE message NOT IN (SELECT id FROM message)"
_QUARANTINED: Final = """
SELECT q.messages, q.octets, d.messages, d.octets FROM quarantined q, (
    SELECT count(*) AS messages, coalesce(sum(octets), 0) AS octets FROM detention WHERE kind = 'quarantine'
) d WHERE (q.messages, q.octets) <> (d.messages, d.octets)
"""
_LINES: Final = """
SELECT l.lines, r.lines FROM received_lines l, (SELECT coalesce(sum(lines), 0) AS lines FROM received_report) r
WHERE l.lines <> r.lines
"""
CLAIMS: Final = "SELECT count(*) FROM recipient WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM owner)"

_DROP_RECIPIENTS: Final = "DELETE FROM recipient WHERE message = ?1 AND message NOT IN (SELECT id FROM message)"
_DROP_DETENTION: Final = "DELETE FROM detention WHERE message = ?"
_DROP_DELIVERED: Final = "DELETE FROM delivered WHERE message = ?"
_RECOUNT: Final = """
UPDATE quarantined SET (messages, octets) =
    (SELECT count(*), coalesce(sum(octets), 0) FROM detention WHERE kind = 'quarantine')
"""
_RECOUNT_LINES: Final = "UPDATE received_lines SET lines = (SELECT coalesce(sum(lines), 0) FROM received_report)"


def spool(tx: Transaction) -> Faults:
    """Yield what is wrong with the queue."""
    for (message,) in tx.execute(_NO_RECIPIENT):
        drop = Repair("drop it: nobody is to get it any more", partial(_drop, message=message))
        yield Fault("queue.done", f"message {id_text(message)}", "has no recipient left", drop)
    for message, number in tx.execute(_NO_MESSAGE):
        drop = executing("drop them: nothing is left to be sent", _DROP_RECIPIENTS, message)
        yield Fault("queue.lost", f"message {id_text(message)}", f"is gone; {number} recipients wait for it", drop)
    for (message,) in tx.execute(_DELIVERED):
        drop = executing("forget it", _DROP_DELIVERED, message)
        yield Fault("queue.stray", f"message {id_text(message)}", "is gone; how far it was delivered is noted", drop)


def detained(tx: Transaction) -> Faults:
    """Yield what is wrong with what is held, and with what is counted."""
    for (message,) in tx.execute(_DETAINED):
        drop = executing("forget it", _DROP_DETENTION, message)
        yield Fault("quarantine.stray", f"message {id_text(message)}", "is gone; why it was held is noted", drop)
    for said, said_octets, messages, octets in tx.execute(_QUARANTINED):
        words = f"is said to have {said} messages with {said_octets} octets; it has {messages} with {octets}"
        yield Fault("quarantine.counts", "the quarantine", words, executing("count anew", _RECOUNT))
    for said, lines in tx.execute(_LINES):
        words = f"are said to have {said} lines; they have {lines}"
        yield Fault("reports.counts", "reports of others", words, executing("count anew", _RECOUNT_LINES))


def _drop(tx: Transaction, message: int) -> None:
    drop_empty(tx, [message])  # a file that is left is the sweep's
