"""Taking note of mail: nothing is waited for, nothing grows, and what can't be written is lost alone."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from history_made import NOW, Noted, id_at, row

from twistedmail_mta.history import recorder, tables
from twistedmail_mta.history.recorder import GATHER, MOST_AT_ONCE, Keep
from twistedmail_mta.history.story import Kind
from twistedmail_mta.history.writer import BROKEN_NAME, Batch
from twistedmail_mta.store.aside import AsideDatabase

STORY = id_at(NOW)
NOTHING = (None,) * 9


def test_events_are_gathered(noted: Noted) -> None:
    """They are handed over together, half a second after the first."""
    noted.recorder.story(row(STORY, sender="ann@sender.test"))
    noted.recorder.step(STORY, Kind.untold, *NOTHING)
    assert len(noted.reactor.getDelayedCalls()) == 1
    noted.reactor.advance(GATHER)
    assert noted.reactor.getDelayedCalls() == []

    noted.flush()
    (story,) = noted.stories()
    assert story.sender == "ann@sender.test"
    assert [step.kind for step in story.steps] == [Kind.untold]


def test_many_do_not_wait(noted: Noted) -> None:
    """A batch that is large enough leaves at once."""
    for number in range(MOST_AT_ONCE):
        noted.recorder.story(row(STORY + number))
    (call,) = noted.reactor.getDelayedCalls()
    assert call.getTime() == noted.reactor.seconds()


def test_steps_of_one_moment_are_kept_apart(noted: Noted) -> None:
    """The clock needn't have moved: each is there, in order."""
    for kind in (Kind.parked, Kind.untold, Kind.deferred):
        noted.recorder.step(STORY, kind, *NOTHING, at=NOW)
    noted.flush()

    (story,) = noted.stories()
    assert [step.kind for step in story.steps] == [Kind.parked, Kind.untold, Kind.deferred]


def test_a_writer_that_cannot_keep_up(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events beyond the bound are dropped and counted, and told of once."""
    monkeypatch.setattr(recorder, "MOST_WAITING", 10)
    monkeypatch.setattr(noted.writer, "put", lambda batch: None)  # a thread that is stuck
    for number in range(25):
        noted.recorder.story(row(STORY + number))
        noted.reactor.advance(GATHER)

    assert noted.recorder.dropped == 15


def test_disabled(tmp_path: Path) -> None:
    """Nothing is noted, and no file is made."""
    noted = Noted(tmp_path, Keep(enabled=False))
    assert not noted.recorder.wants
    noted.recorder.story(row(STORY))
    noted.recorder.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("enabled", [True, False])
def test_steps_that_are_not_noted_leave_nothing(noted: Noted, monkeypatch: pytest.MonkeyPatch, enabled: bool) -> None:
    """Neither while the history is turned off nor while it can't be written do keys of steps gather in memory."""
    monkeypatch.setattr(recorder, "MOST_WAITING", 10)
    written: list[Batch] = []
    monkeypatch.setattr(noted.writer, "put", written.append)  # a thread that is stuck
    noted.recorder.keep(Keep(enabled=enabled))
    for number in range(25):
        noted.recorder.step(STORY + number, Kind.deferred, *NOTHING, keys=[1, 2])
    noted.recorder.close()
    assert sum(len(batch.terms) for batch in written) == (20 if enabled else 0)


def test_settings_change_while_it_runs(noted: Noted) -> None:
    """A reload turns it off and on again."""
    noted.recorder.keep(Keep(enabled=False))
    noted.recorder.story(row(STORY))
    noted.recorder.keep(Keep())
    noted.recorder.story(row(STORY + 1))
    noted.flush()
    assert [story.id for story in noted.stories()] == [STORY + 1]


def test_no_room_on_the_disk(noted: Noted) -> None:
    """What is noted meanwhile is lost and counted; afterwards it goes on, and what was there is there."""
    noted.recorder.story(row(STORY))
    noted.flush()
    noted.free = lambda _: 0
    noted.recorder.story(row(STORY + 1))
    noted.flush()
    noted.free = lambda _: 1 << 40
    noted.recorder.story(row(STORY + 2))
    noted.flush()

    assert [story.id for story in noted.stories()] == [STORY + 2, STORY]
    assert noted.writer.lost == 1


def test_a_broken_file(noted: Noted) -> None:
    """It is put aside, where it can be looked at, and another begins with the next events."""
    noted.path.write_bytes(b"this is no database" * 1000)
    noted.recorder.story(row(STORY))
    noted.flush()
    noted.recorder.story(row(STORY + 1))
    noted.flush()

    assert [story.id for story in noted.stories()] == [STORY + 1]
    assert noted.path.with_name(BROKEN_NAME).read_bytes().startswith(b"this is no database")


def test_a_file_that_another_process_keeps(noted: Noted, monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't broken, and is left where it is; events are lost until it can be had."""
    monkeypatch.setattr("twistedmail_mta.store.sqlite.BUSY_POLL", 10.0)  # so that patience ends with the first try
    monkeypatch.setattr("twistedmail_mta.store.sqlite.time", Hurried)
    AsideDatabase(noted.path, tables.MIGRATIONS[:1]).close()
    other = apsw.Connection(str(noted.path))
    other.execute("BEGIN IMMEDIATE")
    noted.recorder.story(row(STORY))
    noted.flush()
    other.execute("ROLLBACK")
    other.close()
    noted.recorder.story(row(STORY + 1))
    noted.flush()

    assert [story.id for story in noted.stories()] == [STORY + 1]
    assert noted.writer.lost == 1
    assert not noted.path.with_name(BROKEN_NAME).exists()


class Hurried:
    """A time module that doesn't sleep."""

    @staticmethod
    def sleep(_: float) -> None:
        """Go on."""


def test_a_file_of_a_newer_release(noted: Noted) -> None:
    """It is left alone: nothing is noted."""
    noted.recorder.story(row(STORY))
    noted.flush()
    noted.recorder.close()
    newer = Noted(noted.path.parent)
    database = newer.writer._open()
    database._connection.pragma("user_version", 99)
    database.close()

    newer.recorder.story(row(STORY + 1))
    newer.flush()
    newer.recorder.close()
    assert newer.writer.lost == 1
    assert not newer.path.with_name(BROKEN_NAME).exists()


def test_a_file_of_an_older_release(tmp_path: Path) -> None:
    """It is brought to the newest schema by whoever comes first, and keeps what it has."""
    database = AsideDatabase(tmp_path / tables.NAME, tables.MIGRATIONS[:1])
    database.write(lambda tx: tx.execute("INSERT INTO story (id, at, outcome) VALUES (?, ?, 0)", (STORY, NOW)))
    database.close()

    noted = Noted(tmp_path)
    assert [story.id for story in noted.stories()] == [STORY]
    noted.recorder.story(row(STORY + 1, asked="greylist@recipient"))
    noted.flush()
    noted.recorder.close()
    assert [story.asked for story in noted.stories()] == ["greylist@recipient", ""]


def test_what_no_file_can_hold(noted: Noted) -> None:
    """Text of a peer that is no Unicode costs its letters, not the batch."""
    noted.recorder.story(row(STORY, helo="caf\udce9"))
    noted.recorder.story(row(STORY + 1))
    noted.flush()
    assert [story.helo for story in noted.stories()] == ["", "caf?"]


def test_the_end(noted: Noted) -> None:
    """What was noted before the server stops is written; later events are dropped without a fuss."""
    noted.recorder.story(row(STORY))
    noted.recorder.close()
    noted.recorder.story(row(STORY + 1))
    assert [story.id for story in noted.stories()] == [STORY]
