"""Messages copied and moved from mailbox to mailbox: the transactions.

Only rows are written, a few statements for all messages of a slice: bodies and
contents are shared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox import removal
from twistedmail_mta.mailbox.appending import ASSIGN_MANY, KEYWORDS, add_keywords, keywords
from twistedmail_mta.mailbox.change import Added, Change, Removed
from twistedmail_mta.mailbox.flags import FIRST_KEYWORD, LAST_KEYWORD

REFERRED_AT_ONCE: Final = 100
"""Contents whose references are counted with the copy; those of more are counted afterwards, a piece at a time."""

_SYSTEM_BITS: Final = (1 << FIRST_KEYWORD) - 1

_WHICH: Final = "WHERE mailbox = ?1 AND uid IN (SELECT value FROM json_each(?2))"

_NEXT_UID: Final = "?4 + row_number() OVER (ORDER BY uid) - 1"

SOURCE: Final = f"SELECT uid, flags, size FROM mail JOIN arrival USING (mailbox, uid) {_WHICH} ORDER BY uid"  # noqa: S608 - a constant

COPY_MAIL: Final = f"""
INSERT INTO mail (mailbox, uid, modseq, flags, content)
SELECT ?3, {_NEXT_UID}, ?5, {{flags}}, content FROM mail {_WHICH}
"""  # noqa: S608 - a constant

COPY_ARRIVALS: Final = f"""
INSERT INTO arrival (mailbox, uid, size, internal_date, saved_at, thread, prefix)
SELECT ?3, {_NEXT_UID}, size, internal_date, ?5, thread, prefix FROM arrival {_WHICH}
"""  # noqa: S608 - a constant

COPY_UIDLS: Final = f"""
INSERT INTO uidl (mailbox, uid, uidl)
SELECT ?3, m.new, u.uidl FROM (SELECT uid, {_NEXT_UID} AS new FROM mail {_WHICH}) m
JOIN uidl u ON u.mailbox = ?1 AND u.uid = m.uid
"""  # noqa: S608 - a constant

UIDS: Final = "SELECT uid FROM mail WHERE mailbox = ? AND uid < ? LIMIT ?"

HAS_UIDLS: Final = "SELECT 1 FROM uidl WHERE mailbox = ? LIMIT 1"

REFER: Final = f"""
UPDATE content SET refs = refs + m.count
FROM (SELECT content, count(*) AS count FROM mail {_WHICH} GROUP BY content) m WHERE id = m.content
"""  # noqa: S608 - a constant

REFER_LATER: Final = f"""
INSERT INTO released (content, refs) SELECT content, -count(*) FROM mail {_WHICH} GROUP BY content
ON CONFLICT (content) DO UPDATE SET refs = refs + excluded.refs
"""  # noqa: S608 - a constant

VALIDITY: Final = "SELECT uid_validity FROM mailbox WHERE id = ?"

BEGUN: Final = "INSERT INTO unfinished (mailbox, first_uid, last_uid) VALUES (?, ?, ?)"

ENDED: Final = "DELETE FROM unfinished WHERE mailbox = ?1 AND first_uid IN (SELECT value FROM json_each(?2))"

UNFINISHED: Final = "SELECT mailbox, first_uid, last_uid FROM unfinished"


@dataclass(frozen=True, slots=True)
class Slice:
    """Messages that were copied or moved in one transaction.

    Attributes:
        changes: what happened to the mailboxes, in order.
        uid_validity: of the target.
        sources: the UIDs that the messages had, ascending; those that were asked for and are gone are missing.
        targets: those they have now, at the same places.
        keywords: what the target knows only since then, by their bits.
    """

    changes: Sequence[Change]
    uid_validity: int
    sources: Sequence[int]
    targets: Sequence[int]
    keywords: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Way:
    """From where to where messages are copied.

    Attributes:
        source: the mailbox they are in.
        target: the mailbox that they come into; it may be the same.
        now: seconds since the epoch.
    """

    source: int
    target: int
    now: int


def copy(tx: Transaction, way: Way, which: str) -> Slice | None:
    """Copy messages, at most some thousand; None when there is no such target any more.

    Args:
        tx: the transaction.
        way: from where to where.
        which: UIDs, as a JSON array.
    """
    found = _copy_rows(tx, way, which)
    if found is None or not found.sources:
        return found
    refer = REFER if len(found.sources) <= REFERRED_AT_ONCE else REFER_LATER
    tx.execute(refer, (way.source, json.dumps(found.sources)))
    return found


def move(tx: Transaction, way: Way, which: str) -> Slice | None:
    """Move messages: as `copy`, and they leave the mailbox they are in (RFC 6851 section 3.3)."""
    found = _copy_rows(tx, way, which)
    if found is None or not found.sources:
        return found
    sources = json.dumps(found.sources)
    if list(tx.execute(HAS_UIDLS, (way.source,))):
        tx.execute(COPY_UIDLS, (way.source, sources, way.target, found.targets[0]))
    removed = removal.take_out(tx, way.source, sources)
    return replace(found, changes=[*found.changes, *([removed] if removed is not None else ())])


def uids(tx: Transaction, mailbox: int, below: int, most: int) -> Sequence[int]:
    """Return the first UIDs of a mailbox below that one."""
    return [uid for (uid,) in tx.execute(UIDS, (mailbox, below, most))]


def _copy_rows(tx: Transaction, way: Way, wanted: str) -> Slice | None:
    """Copy messages but for their references."""
    validity = list(tx.execute(VALIDITY, (way.target,)))
    if not validity:
        return None
    source = list(tx.execute(SOURCE, (way.source, wanted)))
    sizes = [size for _, _, size in source]
    assigned = list(tx.execute(ASSIGN_MANY, (way.target, len(source), sum(sizes)))) if source else [(1, 0)]
    if not assigned:
        return None
    ((first, modseq),) = assigned
    sources, targets = [uid for uid, _, _ in source], range(first, first + len(source))
    if not sources:
        return Slice((), validity[0][0], (), ())
    bits, new = _translation(tx, way, (flags for _, flags, _ in source))
    which = (way.source, json.dumps(sources), way.target, first)
    list(tx.execute(COPY_MAIL.format(flags=_translated_sql(bits)), (*which, modseq)))
    list(tx.execute(COPY_ARRIVALS, (*which, way.now)))
    flags = _translated([flags for _, flags, _ in source], bits)
    return Slice([Added(way.target, modseq, targets, flags, sizes)], validity[0][0], sources, targets, new)


def _translation(tx: Transaction, way: Way, flags: Iterable[int]) -> tuple[Mapping[int, int] | None, Mapping[int, str]]:
    """Return the target's bit for each keyword's bit that messages have, and which names are new there.

    Keywords that the target has no bit left for are missing; None stands for the same bits.
    """
    used = 0
    for each in flags:
        used |= each
    if used <= _SYSTEM_BITS or way.source == way.target:
        return None, {}
    numbers = [number for number in range(FIRST_KEYWORD, LAST_KEYWORD + 1) if used >> number & 1]
    names = {bit: name for name, bit in tx.execute(KEYWORDS, (way.source,)) if bit in numbers}
    known = keywords(tx, way.target)
    theirs = add_keywords(tx, way.target, list(names.values()))
    bits = {bit: theirs[name.lower()] for bit, name in names.items() if name.lower() in theirs}
    new = {theirs[name.lower()]: name for bit, name in names.items() if bit in bits and name.lower() not in known}
    return None if bits == {number: number for number in numbers} else bits, new


def _translated(flags: Sequence[int], bits: Mapping[int, int] | None) -> Sequence[int]:
    if bits is None:
        return flags
    known: dict[int, int] = {}
    for each in flags:
        if each not in known:
            kept = sum(1 << theirs for ours, theirs in bits.items() if each >> ours & 1)
            known[each] = each & _SYSTEM_BITS | kept
    return [known[each] for each in flags]


def _translated_sql(bits: Mapping[int, int] | None) -> str:
    """Return the same as an expression of SQL, where all of these operators bind alike."""
    if bits is None:
        return "flags"
    kept = [f"(((flags >> {ours}) & 1) << {theirs})" for ours, theirs in bits.items()]
    return " | ".join([f"(flags & {_SYSTEM_BITS})", *kept])


def begin(tx: Transaction, target: int, found: Slice) -> None:
    """Note that a slice was copied, and more of the same copy is to come."""
    tx.execute(BEGUN, (target, found.targets[0], found.targets[-1]))


def end(tx: Transaction, target: int, first_uids: Iterable[int]) -> None:
    """Forget what `begin` noted of a copy, by the first UIDs of its slices: it is complete."""
    tx.execute(ENDED, (target, json.dumps(list(first_uids))))


def unfinished(tx: Transaction) -> Sequence[tuple[int, int, int]]:
    """Return what copies have begun that weren't completed: mailbox, first and last UID."""
    return [(mailbox, first, last) for mailbox, first, last in tx.execute(UNFINISHED)]


def undo(tx: Transaction, target: int, first: int, last: int) -> list[Removed]:
    """Take a slice of a copy out again."""
    removed = removal.remove(tx, target, json.dumps(list(range(first, last + 1))))
    end(tx, target, (first,))
    return [] if removed is None else [removed]
