"""Commits of other processes are noticed, those of our own are not."""

from __future__ import annotations

import pytest
from hand_reactor import HandReactor
from twisted.internet.task import Clock
from words_database import Open, insert
from zope.interface.verify import verifyObject

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IChanges
from twistedmail_mta.store.changes import LOOK_EVERY, Changes
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.replies import STORE_FAILED


class Watch:
    """Changes of a database, with a clock of its own and a count of what was heard."""

    def __init__(self, hand: HandReactor, database: Database) -> None:
        self.hand, self.database, self.clock = hand, database, Clock()
        self.changes = Changes(database, self.clock)
        self.heard = 0
        self.changes.subscribe(self.hear)
        self.changes.start()
        self.settle()

    def hear(self) -> None:
        self.heard += 1

    def settle(self) -> None:
        """Wait until the look that was begun is over."""
        while not self.clock.getDelayedCalls():
            self.hand.wait(self.database.read(lambda tx: None))

    def look(self) -> int:
        """Let a second pass; return how often changes were heard in it."""
        before = self.heard
        self.clock.advance(LOOK_EVERY)
        self.settle()
        return self.heard - before


@pytest.fixture
def watch(hand: HandReactor, database: Database) -> Watch:
    return Watch(hand, database)


def test_changes_are_one_seam(watch: Watch) -> None:
    verifyObject(IChanges, watch.changes)
    watch.changes.stop()
    assert not watch.clock.getDelayedCalls()


def test_own_commits_are_not_told(watch: Watch) -> None:
    watch.hand.wait(watch.database.write(insert("own")))

    assert watch.look() == 0
    watch.changes.stop()


def test_commits_of_others_are_told_once(watch: Watch, open_words: Open) -> None:
    other = open_words()
    for word in ("one", "two"):
        watch.hand.wait(other.write(insert(word)))

    assert watch.look() == 1
    assert watch.look() == 0
    watch.changes.stop()


def test_a_notice_is_told_at_once_and_to_all(watch: Watch) -> None:
    """One that fails doesn't keep it from the others."""
    watch.changes.subscribe(lambda: int("none") and None)
    watch.changes.subscribe(watch.hear)

    before = watch.heard
    watch.changes.notice()

    assert watch.heard == before + 2
    watch.changes.stop()


def test_after_a_failure_there_may_have_been_changes(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection may be another by then, which counts anew."""

    async def refuse(*args: object, **options: object) -> None:
        raise TemporaryError(STORE_FAILED)

    with monkeypatch.context() as patch:
        patch.setattr(watch.database, "write", refuse)
        assert watch.look() == 0

    assert watch.look() == 1
    watch.changes.stop()
