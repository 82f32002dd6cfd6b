"""`mta top` while the database is busy, and when nobody reads any more."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from threading import Event

import pytest
from mta_command import Command
from running_site import environment
from top_pictures import picture

from twistedmail_mta.cli.top_live import Pictures
from twistedmail_mta.cli.top_panes import head_of
from twistedmail_mta.cli.top_picture import Photographer, Picture
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.store import lock
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.lock import WriteLock
from twistedmail_mta.store.replies import STORE_BUSY

BUSY = "Too busy, please try again later"


def test_a_busy_database_leaves_the_queue_as_it_was(site: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is said on the screen and as JSON; the next picture tries again, however long the wait was."""
    monkeypatch.setattr(lock, "PATIENCE", 0.01)
    times = count(1000.0, 1000.0)
    photographer = Photographer(site.state_dir, lambda: next(times))
    held = WriteLock(site.state_dir / DATABASE_NAME)
    first = photographer.take()
    while next(times) < 20_000:  # until it is counted again
        pass
    with held:
        second = photographer.take()
    third = photographer.take()
    held.close()

    assert (second.queue.counted_at, second.queue.trouble) == (first.queue.counted_at, BUSY)
    assert second.as_json()["queue"]["trouble"] == BUSY
    assert any(BUSY in line for line in head_of(second))
    assert third.queue.counted_at > first.queue.counted_at
    assert third.as_json()["queue"]["trouble"] is None
    assert not any(BUSY in line for line in head_of(third))


def test_a_command_says_that_the_database_is_busy(site: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any that opens it, in words."""
    monkeypatch.setattr(lock, "PATIENCE", 0.01)
    held = WriteLock(site.state_dir / DATABASE_NAME)
    with held:
        result = site("account", "list")
    held.close()

    assert isinstance(result.exception, TemporaryError)
    assert result.exception.reply == STORE_BUSY


def test_the_first_picture_is_tried_again() -> None:
    """Who looks waits for it; nothing ends because the database is busy at the beginning."""
    tried, taken = [], Event()

    def take() -> Picture:
        tried.append(1)
        if len(tried) < 3:
            raise TemporaryError(STORE_BUSY)
        taken.set()
        return picture()

    pictures = Pictures(take, 0.001)
    pictures.start()
    assert taken.wait(30)
    pictures.stop()

    assert pictures.failure is None


def test_a_closed_pipe_ends_it_quietly(site: Command) -> None:
    """Whoever reads a line and goes, such as `head`, sees no error, and the status is that of a good end."""
    command = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(site.file), "top", "--json"]
    with subprocess.Popen(
        [*command, "--interval", "200ms"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["server"] is None
        process.stdout.close()

        assert process.wait(30) == 0
        assert process.stderr.read() == b""
