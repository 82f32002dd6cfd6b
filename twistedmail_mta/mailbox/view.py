"""One mailbox as this process knows it: arrays that all its sessions share."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.mailbox.change import Added, Change, Flagged, Removed
from twistedmail_mta.mailbox.ranges import ranges
from twistedmail_mta.mailbox.reading import Arrays, News
from twistedmail_mta.mailbox.rows import Row

UNKNOWN: Final = -1
"""The MODSEQ of a view that nothing was read into yet."""

_LOWEST: Final = 0 if sys.byteorder == "little" else 7

REMEMBERED: Final = 1000
"""Messages in the changes that a view remembers for sessions that are behind."""


class MailboxView:
    """Four arrays in the order of the UIDs, and the MODSEQ they stand for.

    Changes come in the order of their commits, each one MODSEQ above the one
    before; a view that missed one says so, and is caught up from the database.
    Arrays only grow at their end, or are replaced: whoever took them in hand
    keeps the messages as they stood (their flags change in place).

    Attributes:
        id: the mailbox.
        modseq: all changes up to it are in the arrays.
        uid_next: above the UID of every message that was ever here.
        uids: of the messages, ascending; of 4 octets.
        modseqs: of each message's last change.
        flags: of each, as bits (`mailbox.flags`).
        sizes: of each, in octets as it is sent.
        gone: the mailbox was deleted; nothing changes any more.
        keywords: by the bits that stand for them.
        uidls: what POP3 calls messages that were brought from another server, by
            UID; whoever needs them reads them, and some may be of messages that are gone.
        uidls_read: below this UID they are all there.
    """

    log: ClassVar[Logger] = Logger()

    __slots__ = (
        "_changes",
        "_remembered",
        "_subscribers",
        "flags",
        "gone",
        "id",
        "keywords",
        "modseq",
        "modseqs",
        "sizes",
        "uid_next",
        "uidls",
        "uidls_read",
        "uids",
    )

    def __init__(self, mailbox: int, arrays: Arrays | None = None) -> None:
        """Begin with a snapshot, or unknown."""
        arrays = arrays or Arrays(UNKNOWN, 1, array("I"), array("q"), array("q"), array("q"))
        self.id = mailbox
        self.modseq = arrays.modseq
        self.uid_next = arrays.uid_next
        self.uids = arrays.uids
        self.modseqs = arrays.modseqs
        self.flags = arrays.flags
        self.sizes = arrays.sizes
        self.gone = False
        self.keywords: dict[int, str] = {}
        self.uidls: dict[int, str] = {}
        self.uidls_read = 0
        self._subscribers: list[Callable[[], None]] = []
        self._changes: deque[Change] = deque()
        self._remembered = 0  # messages in these changes

    def __len__(self) -> int:
        """Return how many messages there are."""
        return len(self.uids)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` after every change; it must not raise, and not wait.

        Returns:
            What to call when that is no longer wanted.
        """
        self._subscribers.append(changed)
        return lambda: self._subscribers.remove(changed)

    def since(self, modseq: int) -> Sequence[Change] | None:
        """Return the changes above a MODSEQ, in their order; None when they aren't all remembered."""
        behind = self.modseq - modseq
        if behind > len(self._changes):
            return None
        return list(islice(self._changes, len(self._changes) - behind, None))

    def place(self, uid: int) -> int | None:
        """Return where a message is in the arrays, or None when it isn't here."""
        index = bisect_left(self.uids, uid)
        return index if index < len(self.uids) and self.uids[index] == uid else None

    def system_flags(self) -> bytes:
        """Return the lowest octet of each message's flags: all flags but keywords, to be counted and found at once."""
        return self.flags.tobytes()[_LOWEST :: self.flags.itemsize]

    def follows(self, change: Change) -> bool:
        """Return whether `change` is the next one after what is known."""
        return change.modseq == self.modseq + 1

    def apply(self, change: Change) -> None:
        """Take a change that follows, and tell whoever subscribed."""
        match change:
            case Added(uids=uids, flags=flags, sizes=sizes):
                self.add(uids, [change.modseq] * len(uids), flags, sizes)
            case Flagged(uids=uids, flags=flags):
                self.set_flags(uids, [change.modseq] * len(uids), flags)
            case Removed(uids=uids):
                self.remove(uids)
        self.modseq = change.modseq
        self._remember(change)
        self.tell()

    def _remember(self, change: Change) -> None:
        """Keep a change for the sessions that look on; the oldest ones go."""
        if not self._subscribers:
            self._forget()
            return
        self._changes.append(change)
        self._remembered += len(change.uids)
        while self._remembered > REMEMBERED:
            self._remembered -= len(self._changes.popleft().uids)

    def _forget(self) -> None:
        self._changes.clear()
        self._remembered = 0

    def learn(self, news: News) -> int:
        """Take what was read of the database; return how many messages it concerned."""
        if news.vanished:
            self.remove(uid for first, last in sorted(news.vanished) for uid in self._between(first, last))
        self.set_flags(*_columns(news.flagged, 3))
        self.add(*_columns(news.added, 4))
        self.modseq = news.modseq
        self.keywords = news.keywords
        if not news.more:
            self.uid_next = news.uid_next
        return len(news.vanished) + len(news.flagged) + len(news.added)

    def _between(self, first: int, last: int) -> Sequence[int]:
        return self.uids[bisect_left(self.uids, first) : bisect_right(self.uids, last)]

    def become(self, other: MailboxView, *, gone: bool) -> None:
        """Be what another view has read, and tell whoever subscribed."""
        self.uids, self.modseqs, self.flags, self.sizes = other.uids, other.modseqs, other.flags, other.sizes
        self.modseq, self.uid_next, self.gone = other.modseq, other.uid_next, gone
        self.keywords = other.keywords
        self._forget()
        self.tell()

    def add(self, uids: Sequence[int], modseqs: Iterable[int], flags: Iterable[int], sizes: Iterable[int]) -> None:
        """Append messages."""
        self.uids.extend(uids)
        self.modseqs.extend(modseqs)
        self.flags.extend(flags)
        self.sizes.extend(sizes)
        if uids:
            self.uid_next = max(self.uid_next, uids[-1] + 1)

    def set_flags(self, uids: Iterable[int], modseqs: Iterable[int], flags: Iterable[int]) -> None:
        """Change flags; `uids` ascend, and of messages that aren't here nothing happens."""
        for index, modseq, bits in zip(self._places(uids), modseqs, flags, strict=True):
            if index is not None:
                self.modseqs[index], self.flags[index] = modseq, bits

    def remove(self, uids: Iterable[int]) -> None:
        """Take messages out, into new arrays; `uids` ascend, and of those that aren't here nothing happens."""
        runs = list(ranges(index for index in self._places(uids) if index is not None))
        if not runs:
            return
        self.uids = _without(self.uids, runs)
        self.modseqs = _without(self.modseqs, runs)
        self.flags = _without(self.flags, runs)
        self.sizes = _without(self.sizes, runs)

    def _places(self, uids: Iterable[int]) -> Iterator[int | None]:
        """Yield where messages are, or None; `uids` ascend, so the next is looked for behind the one before."""
        mine, here, end = self.uids, 0, len(self.uids)
        for uid in uids:
            if here < end and mine[here] != uid:
                here = bisect_left(mine, uid, here)
            if here < end and mine[here] == uid:
                yield here
                here += 1
            else:
                yield None

    def tell(self) -> None:
        """Tell whoever subscribed that something changed."""
        for changed in tuple(self._subscribers):
            try:
                changed()
            except Exception:  # noqa: BLE001 - a commit must not seem to have failed
                self.log.failure("a session failed on news of its mailbox", event="mailbox.failed")


def _columns(rows: Sequence[Row], count: int) -> Sequence[Sequence[int]]:
    return tuple(zip(*rows, strict=True)) if rows else ((),) * count


def _without(numbers: array[int], runs: Sequence[tuple[int, int]]) -> array[int]:
    """Return the numbers that are in none of these runs of places, which ascend."""
    kept, start = array(numbers.typecode), 0
    for first, last in runs:
        kept += numbers[start:first]
        start = last + 1
    return kept + numbers[start:]
