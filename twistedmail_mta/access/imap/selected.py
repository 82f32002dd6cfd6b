"""The mailbox that a session has open, as far as its client was told (RFC 9051 section 5.2, RFC 2180).

Message numbers change only when the client is told: so a session keeps the
UIDs that it knows, and what it is to be told, beside the view that all
sessions share.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.access.imap.common_runs import common_runs
from twistedmail_mta.imap.sequences import SequenceSet
from twistedmail_mta.mailbox.change import Change, Flagged, Removed
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

    uids: array[int]
    modseqs: array[int]
    flags: array[int]
    sizes: array[int]
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
        whole_until: the MODSEQ up to which the client knows all, while there are messages it couldn't be
            told to be gone; None if there are none.
    """

    __slots__ = (
        "_gone", "_keywords", "_known", "_stop", "_told", "_told_all", "exists", "mailbox", "read_only",
        "recent_from", "saved", "uids", "view", "whole_until",
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
        self.whole_until: int | None = None
        self._known = view.modseq
        self._keywords = 0  # how many the client was told of
        self._gone: set[int] = set()  # UIDs that the client still has to be told of
        self._told: dict[int, Collection[int] | None] = {}  # by MODSEQ: whose new flags it needn't be told
        self._told_all: set[int] = set()  # of these, by MODSEQ, those whose mod-sequence it was told too
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

    def uids_so_far(self) -> array[int]:
        """Return the UIDs of the messages that the client knows, gone or not, and of those that came since."""
        view = self.view
        if self.aligned:
            return view.uids
        return self.known_uids() + view.uids[bisect_right(view.uids, self._last_uid) :]

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
        gone, end = set[int](), 0
        for here, there, count in common_runs(uids, view.uids):
            gone.update(range(end, here))
            end, last = here + count, there + count
            modseqs[here:end], flags[here:end] = view.modseqs[there:last], view.flags[there:last]
            sizes[here:end] = view.sizes[there:last]
        gone.update(range(end, len(uids)))
        return Columns(uids, modseqs, flags, sizes, gone)

    def place(self, index: int) -> int | None:
        """Return where in the view's arrays the message is that has this index here; None when it is gone."""
        return index if self.aligned else self.view.place(self.uids[index])

    def keyword_names(self) -> Mapping[int, str]:
        """Return the mailbox's keywords by the number of their bit."""
        return self.view.keywords

    def take_keywords(self) -> bool:
        """Return whether the mailbox has keywords that the client wasn't told of, and take them as told."""
        count = len(self.view.keywords)
        grown, self._keywords = count > self._keywords, count
        return grown

    def told(self, modseq: int, uids: Collection[int] | None = None, *, modseq_too: bool = False) -> None:
        """Don't tell the flags that a change set: the client knows them, or doesn't want to.

        Args:
            modseq: of the change.
            uids: of messages whose flags needn't be told; None for all of the change.
            modseq_too: the mod-sequence needn't be told either.
        """
        if modseq > self._known:
            self._told[modseq] = uids
            if modseq_too:
                self._told_all.add(modseq)

    # What the client is to be told

    @property
    def has_news(self) -> bool:
        """Whether there may be something to tell."""
        return bool(self._gone or self._known != self.view.modseq or self.view.gone)

    @property
    def remembers_news(self) -> bool:
        """Whether what is to be told is known without a look at all messages."""
        return self.view.since(self._known) is not None

    @property
    def told_until(self) -> int:
        """The MODSEQ up to which changes were looked at for `take_news`."""
        return self._known

    def take_news(self, *, expunges: bool, modseqs: bool = True) -> News:
        """Return what the client is to be told now, and take it as told.

        Args:
            expunges: message numbers may change now (RFC 9051 section 7.5.1).
            modseqs: mod-sequences are told; else what is silent may be left out, as it is where that saves much.
        """
        flagged, silent = self._catch_up(modseqs=modseqs)
        removed, numbers = self._take_gone() if expunges else ((), ())
        exists, recent = self._take_new()
        return News(removed, numbers, exists, recent, self._numbers_of(flagged), set(self._numbers_of(silent)))

    def _catch_up(self, *, modseqs: bool) -> tuple[Sequence[int], Sequence[int]]:
        """Note what is gone; return the UIDs of messages whose flags changed, and of which that needn't be told."""
        view, known, told, told_all = self.view, self._known, self._told, self._told_all
        if known == view.modseq:
            return (), ()
        self._known, self._told, self._told_all = view.modseq, {}, set()
        changes = view.since(known)
        if changes is not None:
            return self._collected(changes, told, told_all)
        first = _without_others(told, known)
        unheard = set() if modseqs else {modseq for modseq, uids in first.items() if uids is None}
        flagged = self._compared(known, unheard)
        if told_all:
            all_told = {modseq: told[modseq] for modseq in told_all}
            flagged = [uid for uid in flagged if not self._was_told(all_told, uid)]
        first = {modseq: uids for modseq, uids in first.items() if modseq not in unheard}
        return flagged, [uid for uid in flagged if self._was_told(first, uid)] if first else ()

    def _collected(
        self, changes: Sequence[Change], told: Mapping[int, Collection[int] | None], told_all: Collection[int]
    ) -> tuple[Sequence[int], Sequence[int]]:
        """Take changes one by one; return what `_catch_up` does.

        Who set flags silently knows those, but not what others set just before
        (RFC 3501 section 6.4.6); who was told all flags of a message knows those too.
        """
        last = self._last_uid
        flagged, unknown = set[int](), set[int]()
        for change in changes:
            if isinstance(change, Removed):
                self._note_gone([uid for uid in change.uids if uid <= last], change.modseq - 1)
            elif isinstance(change, Flagged):
                uids = {uid for uid in change.uids if uid <= last}
                mine = told.get(change.modseq, ())
                known = uids if mine is None else uids.intersection(mine)
                if change.modseq in told_all:
                    flagged -= known
                    unknown -= known
                    uids -= known
                flagged |= uids
                unknown |= uids - known
        return sorted(flagged), sorted(flagged - unknown)

    def _compared(self, known: int, unheard: Collection[int]) -> Sequence[int]:
        """Find out what changed by looking at all messages, since too much did.

        Args:
            known: the MODSEQ that changes are above.
            unheard: the MODSEQs of changes that need no telling.

        Returns:
            UIDs, ascending.
        """
        view = self.view
        if not self.aligned:
            self._note_gone(set(self.known_uids()).difference(view.uids), known)
        end = bisect_right(view.uids, self._last_uid)
        return [
            uid
            for uid, modseq in zip(view.uids[:end], view.modseqs, strict=False)
            if modseq > known and modseq not in unheard
        ]

    def _note_gone(self, uids: Collection[int], before: int) -> None:
        """Note messages that are gone, and the MODSEQ before they went."""
        if uids and not self._gone:
            self.whole_until = before
        self._gone.update(uids)

    def _was_told(self, told: Mapping[int, Collection[int] | None], uid: int) -> bool:
        place = self.view.place(uid)
        uids = told.get(self.view.modseqs[place], ()) if place is not None else ()
        return uids is None or uid in uids

    @property
    def _last_uid(self) -> int:
        return self.uids[self.exists - 1] if self.exists else 0

    def _take_gone(self) -> tuple[Sequence[int], Sequence[int]]:
        if not self._gone:
            return (), ()
        removed, self._gone, self.whole_until = sorted(self._gone), set(), None
        uids = self.known_uids()
        indices = [bisect_left(uids, uid) for uid in removed]
        kept, start = array("I"), 0
        for first, end in ranges(indices):
            kept += uids[start:first]
            start = end + 1
        kept += uids[start:]
        self.uids, self.exists = kept, len(kept)
        if self.saved:
            gone = set(removed)
            self.saved = array("I", [uid for uid in self.saved if uid not in gone])
        self._align()
        return removed, [index + 1 for index in reversed(indices)]

    def _align(self) -> None:
        """Share the view's array again if nothing is missing there that the client knows."""
        view = self.view
        if not self._gone and view.uids[: self.exists] == self.uids:
            self.uids = view.uids

    def _take_new(self) -> tuple[int | None, int]:
        """Take the messages that came; return how many there are then, or None if none came."""
        view, before = self.view, self.exists
        if self.aligned:
            self.exists = len(view.uids)
        else:
            self.uids = self.uids_so_far()
            self.exists = len(self.uids)
            self._align()
        return (None, 0) if self.exists == before else (self.exists, self.recent)

    @property
    def recent(self) -> int:
        """How many messages are recent here."""
        return self.exists - bisect_left(self.known_uids(), self.recent_from) if self.recent_from != NEVER else 0

    def _numbers_of(self, uids: Sequence[int]) -> Sequence[int]:
        """Return the numbers of those messages that are there, ascending as their UIDs do."""
        mine, numbers, index = self.uids, list[int](), 0
        for uid in uids:
            if index < self.exists and mine[index] != uid:
                index = bisect_left(mine, uid, index, self.exists)
            if index < self.exists and mine[index] == uid:
                index += 1
                numbers.append(index)
        return numbers


def _without_others(told: Mapping[int, Collection[int] | None], known: int) -> Mapping[int, Collection[int] | None]:
    """Return of the changes that were told those that nobody else's went before, since this MODSEQ."""
    first = {}
    while (known := known + 1) in told:
        first[known] = told[known]
    return first
