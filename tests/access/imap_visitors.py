"""A plain model of an account's mailboxes, and clients held to it: what each was told, and what it must hear."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from imap_client import Answer, Client
from imap_host import IMAPHost
from imap_mirror import Mirror
from imap_responses import Fetch, Found, Vanished
from imap_words import numbers

EXPUNGEISSUED = "EXPUNGEISSUED"


@dataclass
class Mail:
    """A message: its flags in lower case, its size, and at which change of its mailbox it was last changed."""

    flags: frozenset[str]
    size: int
    changed: int


@dataclass
class Box:
    """A mailbox.

    Attributes:
        mails: by UID.
        greatest: the greatest UID that was ever there.
        changes: how often it was changed.
        modseqs: HIGHESTMODSEQ at the last look; and of each message at which change it was changed, and its own.
    """

    uid_validity: int
    mails: dict[int, Mail] = field(default_factory=dict)
    greatest: int = 0
    changes: int = 0
    modseqs: tuple[int, dict[int, tuple[int, int]]] = (0, {})

    @property
    def uids(self) -> list[int]:
        return sorted(self.mails)

    def arrive(self, uid: int, flags: Iterable[str], size: int) -> None:
        """A message comes."""
        assert uid > self.greatest, f"UID {uid} after {self.greatest}"
        self.greatest = uid
        self.mails[uid] = Mail(frozenset(flag.lower() for flag in flags), size, self.changes)

    def remove(self, uids: Iterable[int]) -> None:
        """Messages go."""
        self.changes += 1
        for uid in uids:
            del self.mails[uid]

    def set_flags(self, uid: int, flags: frozenset[str]) -> None:
        """Flags change, or don't."""
        if self.mails[uid].flags != flags:
            self.mails[uid].flags, self.mails[uid].changed = flags, self.changes


@dataclass
class Memory:
    """What a client remembers of a mailbox that it has left (RFC 7162 section 6)."""

    modseq: int
    uids: list[int]
    flags: dict[int, frozenset[str]]


class Visitor:
    """A client, and what it may rely on.

    Attributes:
        features: what it enables.
        box: the mailbox that is open.
        idle: between IDLE and DONE.
        memories: of mailboxes it has left, by UIDVALIDITY.
    """

    def __init__(self, host: IMAPHost, features: tuple[str, ...], prefix: str) -> None:
        self.host = host
        self.features = features
        self.prefix = prefix
        self.memories: dict[int, Memory] = {}
        self.modseq = 0
        self.connect()

    def connect(self) -> None:
        """Begin a session."""
        self.client: Client = self.host.client(prefix=self.prefix)
        self.box: Box | None = None
        self.idle = False
        if self.features:
            assert self.client.enable(*self.features) == {name.upper() for name in self.features}

    @property
    def mirror(self) -> Mirror:
        assert self.client.mirror is not None
        return self.client.mirror

    # Commands

    def do(self, *parts: Any, expunges: bool = True) -> Answer:
        """Give a command, hear its answer, and compare what this client knows then with what is."""
        answer = self.client.command(*parts)
        self.note(answer)
        return answer

    def note(self, answer: Answer) -> None:
        """Take mod-sequences as RFC 7162 section 3.2 allows a client to."""
        told = answer.codes().get("HIGHESTMODSEQ")
        seen = [fetch.items["MODSEQ"] for fetch in answer.of(Fetch) if "MODSEQ" in fetch.items]
        self.modseq = told or max([self.modseq, *seen])

    def settle(self, *, expunges: bool) -> None:
        """Learn what is new, and compare.

        Args:
            expunges: all that is gone must have been told.
        """
        if self.box is None or self.client.mirror is None:
            return
        if None in self.mirror.uids:
            first = self.mirror.uids.index(None) + 1
            self.note(self.client.ok(f"FETCH {first}:* (UID FLAGS)"))
        told, there = self.mirror.uids, self.box.uids
        assert [uid for uid in told if uid in self.box.mails] == there, (told, there)
        assert told == there or not expunges, (told, there)
        assert self.flags(there) == {uid: self.box.mails[uid].flags for uid in there}

    def flags(self, uids: list[int]) -> dict[int, frozenset[str]]:
        """Return what this client believes."""
        return {uid: self.mirror.flags[uid] - {"\\recent"} for uid in uids}

    def select(self, name: str, box: Box, *, examine: bool) -> None:
        """Open a mailbox, and learn all of it."""
        self.leave()
        self.modseq = 0
        self.note(self.client.select(name, examine=examine))
        self.box = box
        assert self.mirror.uid_validity == box.uid_validity
        assert self.mirror.exists == len(box.mails)
        self.settle(expunges=True)

    def resume(self, name: str, box: Box) -> None:
        """Open a mailbox that it remembers, by QRESYNC (RFC 7162 section 3.2.5)."""
        self.leave()
        memory = self.memories[box.uid_validity]
        named = len(self.features) == 1 and bool(memory.uids)  # else what is new is told too
        known = f" 1:{memory.uids[-1]}" if named else ""
        answer = self.client.select(name, f"(QRESYNC ({box.uid_validity} {memory.modseq}{known}))")
        self.box = box
        gone = {uid for vanished in answer.of(Vanished) for uid in numbers(vanished.uids)}
        kept = [uid for uid in memory.uids if uid not in gone]
        assert kept == [uid for uid in box.uids if uid in memory.uids], (kept, box.uids)
        told = {fetch.items["UID"] for fetch in answer.of(Fetch)}
        assert named or told | set(kept) == set(box.uids)
        known_now = sorted(told | set(kept))
        assert known_now == box.uids[: len(known_now)]
        assert all(uid in (None, there) for uid, there in zip(self.mirror.uids, box.uids, strict=True))
        self.mirror.uids[: len(known_now)] = known_now
        self.mirror.flags = {uid: memory.flags[uid] for uid in kept} | self.mirror.flags
        self.modseq = 0
        self.note(answer)
        self.settle(expunges=True)

    def leave(self) -> None:
        """Remember the mailbox that is open: it is going to be closed."""
        if self.box is not None and self.modseq:
            uids = [uid for uid in self.mirror.uids if uid is not None]
            self.memories[self.box.uid_validity] = Memory(self.modseq, uids, self.flags(uids))
        self.box = None

    def search(self, key: str) -> list[int]:
        """Return the UIDs of what is found."""
        answer = self.do(f"SEARCH {key}")
        assert answer.ok
        (found,) = [
            each for each in answer.untagged if isinstance(each, Found) or getattr(each, "kind", "") == "SEARCH"
        ]
        uids = self.mirror.uids
        places = numbers(found.results.get("ALL", [])) if isinstance(found, Found) else found.value[0]
        return [uids[place - 1] or 0 for place in places]

    # IDLE

    def begin_idle(self) -> None:
        """Begin to idle: all that happened is told, and all that happens will be."""
        self.client.idle()
        self.idle = True
        self.hear()

    def hear(self) -> None:
        """Hear what is told without being asked for, and compare, as far as it is told at all."""
        while not self.client.wire.quiet:  # type: ignore[attr-defined]
            self.client.read()
        if self.box is None:
            return
        told, there = self.mirror.uids, self.box.uids
        assert len(told) == len(there)
        assert all(uid in (None, known) for uid, known in zip(told, there, strict=True)), (told, there)
        known = [uid for uid in told if uid is not None and uid in self.mirror.flags]
        assert self.flags(known) == {uid: self.box.mails[uid].flags for uid in known}

    def end_idle(self) -> None:
        """End to idle; the next SELECT tells what is the highest mod-sequence."""
        answer = self.client.done()
        assert answer.ok
        self.idle, self.modseq = False, 0
        self.settle(expunges=True)

    def hear_end(self) -> None:
        """The mailbox that is open was deleted, and with it ends the session."""
        if not self.idle:
            self.client.wire.send(b"x NOOP\r\n")
        assert b"* BYE " in self.client.rest()
        self.connect()
