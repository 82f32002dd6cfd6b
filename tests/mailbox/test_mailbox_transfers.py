"""Messages copied and moved between mailboxes."""

from __future__ import annotations

from typing import Any

import pytest
from mail_at_rest import START, Rest, run, to

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox import copying, transfers
from twistedmail_mta.mailbox.flags import DELETED, SEEN
from twistedmail_mta.mailbox.problem import Problem
from twistedmail_mta.mailbox.transfers import Copied
from twistedmail_mta.store.replies import STORE_FAILED

COUNT = 7


class Two:
    """Two mailboxes, with views; messages in the first."""

    def __init__(self, count: int = COUNT) -> None:
        self.rest = Rest()
        self.store = self.rest.store
        self.source, self.target = (run(self.store.make(1, name)) for name in ("INBOX", "Other"))
        messages = [self.rest.incoming(body=self.rest.body(b"%d" % n), flags=n % 4) for n in range(count)]
        run(self.store.append(self.source.id, messages)) if messages else None
        self.old, self.new = run(self.store.open(self.source.id)), run(self.store.open(self.target.id))

    def copy(self, *uids: int) -> Copied:
        copied = run(self.store.copy(self.source.id, uids, self.target.id))
        assert isinstance(copied, Copied)
        return copied

    def move(self, *uids: int) -> Copied:
        moved = run(self.store.move(self.source.id, uids, self.target.id))
        assert isinstance(moved, Copied)
        return moved

    def texts(self, mailbox: int) -> dict[int, bytes]:
        uids = [uid for (uid,) in self.rest.rows("SELECT uid FROM mail WHERE mailbox = ?", mailbox)]
        stored = run(self.store.stored(mailbox, uids))
        return {uid: run(self.store.read(one, 0, one.size)) for uid, one in stored.items()}

    def check(self) -> None:
        self.rest.assert_view(self.old)
        self.rest.assert_view(self.new)
        self.rest.assert_sound()

    def arrivals(self, mailbox: int) -> list[tuple[Any, ...]]:
        return self.rest.rows(
            "SELECT uid, size, internal_date, saved_at, prefix FROM arrival WHERE mailbox = ?", mailbox
        )


def test_a_copy_is_the_same_message_with_a_uid_of_its_own() -> None:
    """Date, flags and text are kept (RFC 9051 section 6.4.7); those that are gone are left out."""
    two = Two()
    run(two.store.remove(two.source.id, [3]))
    two.rest.clock.advance(60)

    copied = two.copy(2, 3, 5, 99)

    assert copied == Copied(two.target.uid_validity, [2, 5], [1, 2])
    assert list(two.new.flags) == [1, 0]
    text = two.texts(two.source.id)
    assert two.texts(two.target.id) == {1: text[2], 2: text[5]}
    size = len(text[2])
    assert two.arrivals(two.target.id) == [(n, size, 1_500_000_000, START + 60, b"") for n in (1, 2)]
    assert list(two.old.uids) == [1, 2, 4, 5, 6, 7]
    two.check()


def test_what_was_delivered_keeps_its_first_lines() -> None:
    two = Two(0)
    two.rest.accept(to(1))

    two.copy(1)
    two.move(1)

    assert len(set(two.texts(two.target.id).values())) == 1
    assert two.texts(two.target.id)[1].startswith(b"Return-Path: ")
    two.check()


def test_nothing_is_copied_of_nothing() -> None:
    two = Two()
    before = two.new.modseq

    assert two.copy(99) == two.move(98) == Copied(two.target.uid_validity, [], [])

    assert two.new.modseq == before
    two.check()


def test_a_mailbox_can_be_copied_to_itself() -> None:
    """Also named UIDs that are given only now aren't copied again."""
    two = Two()

    copied = run(two.store.copy(two.source.id, range(6, 11), two.source.id))

    assert copied == Copied(two.source.uid_validity, [6, 7], [8, 9])
    assert list(two.old.uids) == list(range(1, 10))
    two.check()


def test_a_move_within_a_mailbox_gives_new_uids() -> None:
    two = Two()

    moved = run(two.store.move(two.source.id, range(1, 20, 2), two.source.id))

    assert moved == Copied(two.source.uid_validity, [1, 3, 5, 7], [8, 9, 10, 11])
    assert list(two.old.uids) == [2, 4, 6, 8, 9, 10, 11]
    two.check()


def test_what_is_moved_is_in_one_place() -> None:
    """The source's clients can be told later which UIDs vanished; what POP3 calls it goes with it."""
    two = Two()
    run(
        two.store.append(
            two.source.id, [two.rest.incoming(uidl="first"), two.rest.incoming(), two.rest.incoming(uidl="x")]
        )
    )
    text, known = two.texts(two.source.id), two.old.modseq

    moved = two.move(*range(2, 11, 2), 99)

    assert moved == Copied(two.target.uid_validity, [2, 4, 6, 8, 10], [1, 2, 3, 4, 5])
    assert two.texts(two.target.id) == {1: text[2], 2: text[4], 3: text[6], 4: text[8], 5: text[10]}
    assert set(two.texts(two.source.id)) == {1, 3, 5, 7, 9}
    assert two.rest.rows("SELECT uid, uidl FROM uidl") == [(4, "first"), (5, "x")]
    gone = run(two.store.vanished(two.source.id, known, two.old.modseq))
    assert gone == [(uid, uid) for uid in range(2, 11, 2)]
    two.check()


def test_keywords_are_those_of_the_other_mailbox() -> None:
    """Each mailbox has bits of its own; what it has no bit for is left out."""
    two = Two()
    ours = run(two.store.keywords(two.source.id, ["a", "b", "c"]))
    run(two.store.keywords(two.target.id, ["x", "C", *(f"k{n}" for n in range(55))]))
    for uid, names in ((1, "a"), (2, "bc"), (3, "abc"), (4, "")):
        run(two.store.set_flags(two.source.id, [uid], remove=-1, add=SEEN | sum(1 << ours[name] for name in names)))

    two.copy(1, 2, 3, 4)

    theirs = {bit: name for name, bit in run(two.store.keywords(two.target.id)).items()}
    assert {name: two.new.keywords[bit] for bit, name in theirs.items() if name in "abc"} == {"a": "a", "c": "C"}
    found = [{theirs[bit] for bit in range(5, 63) if flags >> bit & 1} for flags in two.new.flags]
    assert found == [{"a"}, {"c"}, {"a", "c"}, set()]
    assert all(flags & 31 == SEEN for flags in two.new.flags)
    two.check()


@pytest.mark.parametrize("at_once", [0, 100])
def test_references_are_counted_now_or_later(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """However copies are made and removed meanwhile, each content goes with its last message."""
    monkeypatch.setattr(copying, "REFERRED_AT_ONCE", at_once)
    two = Two()

    two.copy(1, 2, 3)
    two.copy(1)
    two.check()
    run(two.store.remove(two.source.id, [1, 2]))
    two.check()
    run(two.store.remove(two.target.id, [1, 2, 4]))

    run(two.store.release())
    assert two.rest.rows("SELECT count(*) FROM content") == [(COUNT - 2,)]
    two.check()


def test_many_are_copied_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "COPIED_AT_ONCE", 3)
    two = Two()

    copied = two.copy(*range(1, COUNT + 1), *range(100, 105))

    assert (list(copied.sources), list(copied.targets)) == ([*range(1, 8)], [*range(1, 8)])
    assert two.rest.rows("SELECT count(*) FROM unfinished") == [(0,)]
    two.check()


def fail_at(two: Two, number: int, *, then: bool = True) -> None:
    """Let the write with that number fail; those after it fail too unless `then`."""
    real, count = two.rest.database.write, 0

    async def write(function: Any, urgent: bool = False, size: int = 0) -> Any:
        nonlocal count
        count += 1
        if count == number or (count > number and not then):
            raise TemporaryError(STORE_FAILED)
        return await real(function, urgent, size)

    two.rest.database.write = write  # type: ignore[method-assign]


def test_a_copy_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9051 section 6.4.7: the mailbox is as it was, UIDNEXT apart."""
    monkeypatch.setattr(transfers, "COPIED_AT_ONCE", 2)
    two = Two()
    two.copy(1)
    fail_at(two, 3)

    with pytest.raises(TemporaryError):
        two.copy(*range(1, COUNT + 1))

    assert list(two.new.uids) == [1]
    assert two.rest.rows("SELECT count(*) FROM unfinished") == [(0,)]
    two.check()


def test_a_copy_that_a_crash_ended_goes_at_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it couldn't be taken back because the database failed."""
    monkeypatch.setattr(transfers, "COPIED_AT_ONCE", 2)
    two = Two()
    two.copy(1)
    real = two.rest.database.write
    fail_at(two, 3, then=False)
    with pytest.raises(TemporaryError):
        two.copy(*range(1, COUNT + 1))
    two.rest.database.write = real  # type: ignore[method-assign]
    assert len(two.texts(two.target.id)) == 5

    two.rest.restart()
    run(two.rest.store.undo_unfinished())

    assert set(two.texts(two.target.id)) == {1}
    assert two.rest.rows("SELECT count(*) FROM unfinished") == [(0,)]
    two.rest.assert_sound()


def test_the_target_may_go_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was copied then; what was moved before is gone with it, the rest is where it was."""
    monkeypatch.setattr(transfers, "COPIED_AT_ONCE", 2)
    two = Two()
    real, writes = two.rest.database.write, 0

    async def write(function: Any, urgent: bool = False, size: int = 0) -> Any:
        nonlocal writes
        writes += 1
        if writes == 2:
            await two.store.tree.delete(1, "Other")
        return await real(function, urgent, size)

    two.rest.database.write = write  # type: ignore[method-assign]

    assert run(two.store.copy(two.source.id, two.old.uids, two.target.id)) is Problem.MISSING

    assert len(two.old) == COUNT
    assert two.rest.rows("SELECT count(*) FROM mail") == [(COUNT,)]
    two.rest.assert_sound()


def test_a_move_that_fails_says_what_was_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is in one place, and the client is told which."""
    monkeypatch.setattr(transfers, "MOVED_AT_ONCE", 2)
    two = Two()
    fail_at(two, 3)

    moved = two.move(*range(1, COUNT + 1))

    assert (list(moved.sources), list(moved.targets)) == ([1, 2, 3, 4], [1, 2, 3, 4])
    assert isinstance(moved.failure, TemporaryError)
    assert list(two.old.uids) == [5, 6, 7]
    two.check()
    fail_at(two, 1)
    with pytest.raises(TemporaryError):
        two.move(5, 6)


def test_files_are_shared() -> None:
    two = Two(0)
    run(two.store.append(two.source.id, [two.rest.incoming(body=two.rest.body(b"large", file=True), flags=DELETED)]))

    two.copy(1)
    run(two.store.remove(two.source.id, [1]))
    assert len(two.rest.files.octets) == 1
    run(two.store.remove(two.target.id, [1]))

    assert not two.rest.files.octets
    two.check()
