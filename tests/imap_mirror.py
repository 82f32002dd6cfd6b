"""What a client must believe of the mailbox that is open, and what no server may tell it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from imap_responses import Fetch, Numbered, Response, Status, Told, Vanished
from imap_words import numbers

SILENT = {"FETCH", "STORE", "SEARCH", "SORT", "THREAD"}
"""Commands during which no message may go (RFC 9051 section 7.5.1, RFC 5256 section 3)."""


@dataclass
class Book:
    """What was ever said of one mailbox of one UIDVALIDITY, to anybody.

    Attributes:
        uid_next: the greatest UIDNEXT.
        modseq: the greatest HIGHESTMODSEQ.
        modseqs: the greatest mod-sequence of each message, with its flags.
    """

    uid_next: int = 1
    modseq: int = 0
    modseqs: dict[int, tuple[int, frozenset[str]]] = field(default_factory=dict)


@dataclass
class Ledger:
    """What was ever said of mailboxes, by name and UIDVALIDITY, to clients that aren't busy at the same time."""

    books: dict[tuple[bytes, int], Book] = field(default_factory=lambda: defaultdict(Book))


@dataclass
class Mirror:
    """The open mailbox as a client knows it.

    Attributes:
        name: as it was selected.
        uids: by message number - 1; None where it wasn't told.
        flags: by UID, of those told.
        recent: as it was told.
        uid_validity: as it was told; 0 before.
        modseq: what HIGHESTMODSEQ said; None for NOMODSEQ or nothing.
        gone: UIDs of messages that were expunged.
        counted: EXISTS was told.
    """

    name: bytes
    ledger: Ledger
    uids: list[int | None] = field(default_factory=list)
    flags: dict[int, frozenset[str]] = field(default_factory=dict)
    recent: int = 0
    uid_validity: int = 0
    uid_next: int | None = None
    modseq: int | None = None
    gone: set[int] = field(default_factory=set)
    counted: bool = False
    read_only: bool = False
    permanent: list[str] | None = None

    @property
    def exists(self) -> int:
        """How many messages there are."""
        return len(self.uids)

    @property
    def book(self) -> Book:
        """What was said of this mailbox to anybody."""
        return self.ledger.books[self.name, self.uid_validity]

    def take(self, response: Response, running: str | None, *, qresync: bool) -> None:
        """Believe what the server says, if it may say that while this command runs."""
        match response:
            case Numbered("EXISTS", number):
                assert number >= self.exists, f"EXISTS fell from {self.exists} to {number}"
                self.uids += [None] * (number - self.exists)
                self.counted = True
            case Numbered("RECENT", number):
                self.recent = number
            case Numbered("EXPUNGE", number):
                assert not qresync, "EXPUNGE although QRESYNC is enabled (RFC 7162 section 3.2.10)"
                self._may_go(running)
                assert number <= self.exists, f"EXPUNGE {number} of {self.exists}"
                self._drop(number - 1)
            case Vanished(False, uids):
                assert qresync, "VANISHED although QRESYNC isn't enabled"
                self._may_go(running)
                for uid in numbers(uids):
                    self._drop(self._place_of(uid))
                    self.gone.add(uid)
            case Vanished(True, uids):
                assert running in ("SELECT", "EXAMINE", "UID FETCH"), running
                assert not {uid for uid in self.uids if uid} & set(numbers(uids)), "VANISHED what is there"
            case Fetch():
                self._fetched(response)
            case Status():
                self._status(response)
            case Told("FLAGS", _):
                pass

    def _may_go(self, running: str | None) -> None:
        assert running is not None, "a message goes while no command is in progress"
        assert running not in SILENT, f"a message goes during {running}"

    def _place_of(self, uid: int) -> int:
        """Return where a message is; one of those whose UIDs weren't told, where it can be none else."""
        if uid in self.uids:
            return self.uids.index(uid)
        below = [index for index, each in enumerate(self.uids) if each is not None and each < uid]
        above = [index for index, each in enumerate(self.uids) if each is not None and each > uid]
        place = (above[0] if above else len(self.uids)) - 1
        assert place > (below[-1] if below else -1), f"VANISHED {uid}, which isn't there"
        return place

    def _drop(self, index: int) -> None:
        uid = self.uids.pop(index)
        if uid is not None:
            self.gone.add(uid)
            self.flags.pop(uid, None)

    def _fetched(self, fetch: Fetch) -> None:
        assert fetch.number <= self.exists, f"FETCH {fetch.number} of {self.exists}"
        uid = self.uids[fetch.number - 1]
        if "UID" in fetch.items:
            told = fetch.items["UID"]
            assert uid in (None, told), f"message {fetch.number} was {uid} and is {told}"
            if uid is None:
                self._number(fetch.number - 1, told)
            uid = told
        flags = frozenset(flag.lower() for flag in fetch.items["FLAGS"]) if "FLAGS" in fetch.items else None
        if uid is not None:
            self._changed(uid, fetch.items.get("MODSEQ"), flags)

    def _number(self, index: int, uid: int) -> None:
        assert uid not in self.gone, f"UID {uid} is used again"
        assert uid not in self.uids
        before = next((each for each in reversed(self.uids[:index]) if each is not None), 0)
        after = next((each for each in self.uids[index + 1 :] if each is not None), uid + 1)
        assert before < uid < after, f"UID {uid} between {before} and {after}"
        self.uids[index] = uid
        self.book.uid_next = max(self.book.uid_next, uid + 1)

    def _changed(self, uid: int, modseq: int | None, flags: frozenset[str] | None) -> None:
        if flags is not None:
            self.flags[uid] = flags
        if modseq is None:
            return
        known, kept = self.book.modseqs.get(uid, (0, None))
        assert modseq >= known, f"MODSEQ of {uid} fell from {known} to {modseq}"
        if flags is not None:
            lasting = flags - {"\\recent"}
            assert modseq > known or kept in (None, lasting), f"flags of {uid} changed without its MODSEQ"
            kept = lasting
        elif modseq > known:
            kept = None
        self.book.modseqs[uid] = modseq, kept  # type: ignore[assignment]

    def _status(self, status: Status) -> None:
        match status.code:
            case "UIDVALIDITY":
                self.uid_validity = status.argument
            case "UIDNEXT":
                self.uid_next = status.argument
            case "HIGHESTMODSEQ":
                assert status.argument >= (self.modseq or 0)
                self.modseq = status.argument
            case "NOMODSEQ":
                self.modseq = None
            case "PERMANENTFLAGS":
                self.permanent = status.argument
            case "UNSEEN":
                assert status.argument <= self.exists

    def opened(self) -> None:
        """Check what SELECT must have told, and against what was told before."""
        assert self.counted
        assert self.uid_validity
        assert self.uid_next is not None
        assert self.permanent is not None
        book = self.book
        assert self.uid_next >= book.uid_next, f"UIDNEXT {self.uid_next} after {book.uid_next}"
        book.uid_next = self.uid_next
        if self.modseq is not None:
            assert self.modseq >= book.modseq, f"HIGHESTMODSEQ {self.modseq} after {book.modseq}"
            book.modseq = self.modseq
        self.check()

    def check(self) -> None:
        """UIDs ascend, below UIDNEXT as it was at SELECT or later."""
        known = [uid for uid in self.uids if uid is not None]
        assert all(first < second for first, second in pairwise(known)), known
