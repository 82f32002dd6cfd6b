"""The mailbox that a session has open, as far as its client was told (RFC 9051 section 5.2, RFC 2180).

Message numbers change only when the client is told: so a session keeps the
UIDs that it knows, and what it is to be told, beside the view that all
sessions share.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.imap.sequences import SequenceSet
from twistedmail_mta.mailbox.change import Added, Flagged, Removed
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.ranges import ranges
from twistedmail_mta.mailbox.view import MailboxView

NEVER: Final = 1 << 32
"""A UID that no message has: no message is recent."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of messages, each at the index of its number less one.

    Attributes:
        uids: ascending.
        modseqs: of each message's last change.
        flags: bits (`mailbox.flags`).
        sizes: octets as it is sent.
        gone: indices of messages that are gone, though the client wasn't told; they have zeros.
    """

    uids: Sequence[int]
    modseqs: Sequence[int]
    flags: Sequence[int]
    sizes: Sequence[int]
    gone: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class News:
    """What a client is to be told of its mailbox, in this order.

    Attributes:
        removed: UIDs that are gone, ascending.
        numbers: the numbers they had, the greatest first, so that each counts when it is told.
        exists: how many messages there are now; None if no more than before.
        recent: how many of them are recent.
        flagged: numbers of messages whose flags changed, ascending.
        silent: of these, those whose flags the client knows: it is told their mod-sequence alone.
    """

    removed: Sequence[int]
    numbers: Sequence[int]
    exists: int | None
    recent: int
    flagged: Sequence[int]
    silent: Collection[int]


class Selected:
    """A mailbox that is open in a session.

    `uids` up to `exists` are what the client knows.  While nothing was removed
    that it doesn't know of, that is the view's own array, which only grows at its end.

    Attributes:
        mailbox: as it was when it was opened.
        view: shared, and current.
        read_only: it was opened by EXAMINE.
        uids: by number less one; look only at the first `exists`.
        exists: how many messages the client was told of.
        saved: what "$" stands for: UIDs, ascending (RFC 5182 section 2.1).
        recent_from: messages from this UID on are recent here (RFC 3501 section 2.3.2).
    """

    __slots__ = (
        "_flagged", "_gone", "_known", "_stop", "_told", "exists", "mailbox", "read_only", "recent_from", "saved",
        "uids", "view",
    )  # fmt: skip

    def __init__(
        self,
        mailbox: Mailbox,
        view: MailboxView,
        changed: Callable[[], None],
        *,
        read_only: bool,
        recent_from: int = NEVER,
    ) -> None:
        """Open a mailbox as it is now.

        Args:
            mailbox: its row.
            view: held by whoever calls, as long as this is used.
            changed: called when there may be something to tell.
            read_only: nothing may be changed.
            recent_from: as the attribute.
        """
        self.mailbox = mailbox
        self.view = view
        self.read_only = read_only
        self.uids: array[int] = view.uids
        self.exists = len(view)
        self.saved: Sequence[int] = ()
        self.recent_from = recent_from
        self._known = view.modseq
        self._gone: set[int] = set()
        self._flagged: set[int] = set()
        self._told: dict[int, Collection[int] | None] = {}
        self._stop = view.subscribe(changed)

    def close(self) -> None:
        """Look at the view no more."""
        self._stop()

    # What commands work with

    @property
    def aligned(self) -> bool:
        """Whether a message is at the same index here and in the view's arrays."""
        return self.uids is self.view.uids

    def positions(self, messages: SequenceSet, *, by_uid: bool) -> list[range]:
        """Return where among `uids` the messages of a set are: ranges of indices, ascending."""
        uids = self.known_uids()
        if by_uid:
            return messages.uid_positions(uids, self.saved)
        return messages.number_positions(uids, self.saved)

    def known_uids(self) -> array[int]:
        """Return the UIDs that the client knows, by number less one."""
        return self.uids if len(self.uids) == self.exists else self.uids[: self.exists]

    def columns(self) -> Columns:
        """Return what is known of the messages now; the view's own arrays where that can be, which change."""
        view = self.view
        if self.aligned:
            if len(view.uids) == self.exists:
                return Columns(view.uids, view.modseqs, view.flags, view.sizes)
            cut = slice(self.exists)
            return Columns(view.uids[cut], view.modseqs[cut], view.flags[cut], view.sizes[cut])
        return self._copied()

    def _copied(self) -> Columns:
        """Return columns in which messages that are gone still have their place."""
        view, uids = self.view, self.known_uids()
        modseqs, flags, sizes = (array("q", bytes(8 * len(uids))) for _ in range(3))
        gone = set()
        for index, uid in enumerate(uids):
            place = view.place(uid)
            if place is None:
                gone.add(index)
            else:
                modseqs[index], flags[index], sizes[index] = view.modseqs[place], view.flags[place], view.sizes[place]
        return Columns(uids, modseqs, flags, sizes, gone)

    def place(self, index: int) -> int | None:
        """Return where in the view's arrays the message is that has this index here; None when it is gone."""
        return index if self.aligned else self.view.place(self.uids[index])

    def is_recent(self, uid: int) -> bool:
        """Return whether this session is the first to see a message."""
        return uid >= self.recent_from

    def keyword_names(self) -> Mapping[int, str]:
        """Return the mailbox's keywords by the number of their bit."""
        return self.view.keywords

    def told(self, modseq: int, uids: Collection[int] | None = None) -> None:
        """Don't tell the flags that a change set: the client knows them, or doesn't want to.

        Args:
            modseq: of the change.
            uids: of messages whose flags needn't be told; None for all of the change.
        """
        if modseq > self._known:
            self._told[modseq] = uids

    # What the client is to be told

    @property
    def has_news(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._gone or self._flagged or self._known != self.view.modseq or self.view.gone)

    def take_news(self, *, expunges: bool) -> News:
        """Return what the client is to be told now, and take it as told.

        Args:
            expunges: message numbers may change now (RFC 9051 section 7.5.1).
        """
        silent = self._catch_up()
        removed, numbers = self._take_gone() if expunges else ((), ())
        exists, recent = self._take_new()
        flagged = self._take_flagged(silent)
        return News(removed, numbers, exists, recent, flagged, self._numbers_of(silent))

    def _catch_up(self) -> set[int]:
        """Note what changed since the last time; return UIDs of which the mod-sequence alone is news."""
        view, silent = self.view, set[int]()
        if self._known != view.modseq:
            last = self.uids[self.exists - 1] if self.exists else 0
            changes = view.since(self._known)
            if changes is None:
                self._compare(last, silent)
            else:
                for change in changes:
                    match change:
                        case Removed(uids=uids):
                            self._gone.update(uid for uid in uids if uid <= last)
                        case Flagged(uids=uids, modseq=modseq):
                            self._note_flagged([uid for uid in uids if uid <= last], modseq, silent)
                        case Added():
                            pass
            self._known = view.modseq
        self._told.clear()
        return silent

    def _note_flagged(self, uids: Sequence[int], modseq: int, silent: set[int]) -> None:
        known = self._told.get(modseq, ())
        for uid in uids:
            if known is None or uid in known:
                silent.add(uid)
                self._flagged.discard(uid)
            else:
                self._flagged.add(uid)
                silent.discard(uid)

    def _compare(self, last: int, silent: set[int]) -> None:
        """Find out what changed by looking at all messages: too much did to be remembered."""
        view, known = self.view, self._known
        if not self.aligned:
            self._gone.update(set(self.known_uids()).difference(view.uids))
        end = bisect_right(view.uids, last)
        modseqs = view.modseqs
        for index in [index for index in range(end) if modseqs[index] > known]:
            self._note_flagged((view.uids[index],), modseqs[index], silent)

    def _take_gone(self) -> tuple[Sequence[int], Sequence[int]]:
        if not self._gone:
            return (), ()
        removed = sorted(self._gone)
        self._gone.clear()
        self._flagged.difference_update(removed)
        uids = self.known_uids()
        indices = [bisect_left(uids, uid) for uid in removed]
        kept, start = array("I"), 0
        for first, end in ranges(indices):
            kept += uids[start:first]
            start = end + 1
        kept += uids[start:]
        self.uids, self.exists = kept, len(kept)
        self.saved = [uid for uid in self.saved if uid not in set(removed)] if self.saved else ()
        self._align()
        return removed, [index + 1 for index in reversed(indices)]

    def _align(self) -> None:
        """Share the view's array again if nothing that the client doesn't know of is missing there."""
        view = self.view
        if not self._gone and view.uids[: self.exists] == self.uids:
            self.uids = view.uids

    def _take_new(self) -> tuple[int | None, int]:
        """Take the messages that came; return how many there are then, or None if none came."""
        view, before = self.view, self.exists
        last = self.uids[before - 1] if before else 0
        if self.aligned:
            self.exists = len(view.uids)
        else:
            self.uids = self.known_uids() + view.uids[bisect_right(view.uids, last) :]
            self.exists = len(self.uids)
            self._align()
        if self.exists == before:
            return None, 0
        return self.exists, self.recent

    @property
    def recent(self) -> int:
        """How many messages are recent here."""
        uids = self.known_uids()
        return self.exists - bisect_left(uids, self.recent_from) if self.recent_from != NEVER else 0

    def _take_flagged(self, silent: set[int]) -> Sequence[int]:
        flagged, self._flagged = self._flagged | silent, set()
        return self._numbers_of(flagged)

    def _numbers_of(self, uids: Collection[int]) -> Sequence[int]:
        """Return the numbers of those messages that are there."""
        return list(self._numbers(sorted(uids))) if uids else ()

    def _numbers(self, uids: Sequence[int]) -> Iterator[int]:
        mine, view = self.known_uids(), self.view
        for uid in uids:
            index = bisect_left(mine, uid)
            if index < len(mine) and mine[index] == uid and view.place(uid) is not None:
                yield index + 1
