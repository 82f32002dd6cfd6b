"""What is too old, or too much, goes; the rest can be found as before."""

from __future__ import annotations

from pathlib import Path

import pytest
from history_made import NOW, Noted, id_at, row

from twistedmail_mta.history import clearing, query
from twistedmail_mta.history.query import Query
from twistedmail_mta.history.recorder import Keep
from twistedmail_mta.history.searching import search
from twistedmail_mta.history.story import Kind

DAY = 86400.0


def fill(noted: Noted, days: int, each: int) -> None:
    """Note some mail of every day until now."""
    for day in range(days, 0, -1):
        for number in range(each):
            story = id_at(NOW - day * DAY, number)
            noted.recorder.story(row(story, NOW - day * DAY, sender=f"ann{number}@sender.test", helo="x" * 200))
            noted.recorder.step(story, Kind.delivered, "bob@home.test", *(None,) * 8, at=NOW - day * DAY)
        noted.flush()


def size(noted: Noted) -> int:
    """Octets of the file, with what still lies beside it."""
    pages = noted.read(lambda tx: next(iter(tx.execute("PRAGMA page_count"))))
    assert pages is not None
    return int(pages[0]) * 4096


def test_old_stories_go(tmp_path: Path) -> None:
    """With all their steps and terms."""
    noted = Noted(tmp_path)
    fill(noted, days=10, each=20)
    assert noted.count("story") == 200
    terms = noted.count("term")

    noted.recorder.keep(Keep(age=3.5 * DAY))
    noted.reactor.wait(noted.recorder.clear())
    noted.recorder.close()

    assert {int((NOW - story.at) / DAY) for story in noted.stories()} == {1, 2, 3}
    assert noted.count("step") == 60
    assert noted.count("term") == terms * 3 // 10


def test_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the slices are, all that is too old goes, and nothing else."""
    monkeypatch.setattr(clearing, "SLICE", 3)
    monkeypatch.setattr(clearing, "TERMS", 4)
    monkeypatch.setattr("twistedmail_mta.history.writer.PAUSE", 0.0)
    noted = Noted(tmp_path)
    fill(noted, days=6, each=10)

    noted.recorder.keep(Keep(age=2.5 * DAY))
    for _ in range(10):
        noted.reactor.wait(noted.recorder.clear())
    noted.recorder.close()

    assert noted.count("story") == noted.count("step") == 20


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go until it is smaller than it may be; the newest can be found."""
    monkeypatch.setattr(clearing, "SLICE", 50)
    noted = Noted(tmp_path)
    fill(noted, days=20, each=100)
    before = size(noted)

    noted.recorder.keep(Keep(age=None, size=before // 2))
    for _ in range(20):
        noted.reactor.wait(noted.recorder.clear())
    newest = Query((query.sender("ann7@sender.test"),))
    found = noted.read(lambda tx: search(tx, newest, 1))
    noted.recorder.close()

    assert found is not None
    assert [int((NOW - story.at) / DAY) for story in found.stories] == [1]
    assert 0 < noted.count("story") < 1500
    assert size(noted) <= before // 2
