"""The site as a service, where a real process is no help: what can't be brought about from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from log_lines import said
from twisted.internet.testing import MemoryReactorClock

from twistedmail_mta.app import SiteService
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.control.server import CommandError
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Reply
from twistedmail_mta.tasks import Task

SITE = """
config_version = 1
[server]
hostname = "mail.example.org"
state_dir = "state"
admin = "postmaster@example.org"
[listen.mx]
endpoint = "tcp:2525:interface=127.0.0.1"
role = "mx"
"""


class StoppableReactor(MemoryReactorClock):
    """Notes that it was stopped."""

    stopped = False

    def stop(self) -> None:
        self.stopped = True


class BrokenParts:
    """Parts that can't begin."""

    async def begin(self) -> None:
        raise TemporaryError(Reply(452, "4.3.1", "full"))


def service(directory: Path) -> tuple[SiteService, StoppableReactor]:
    reactor: Any = StoppableReactor()
    return SiteService(reactor, parse_site(SITE, directory, "test")), reactor


def test_a_site_that_cannot_begin_ends_the_program(tmp_path: Path) -> None:
    """A server that runs and serves nobody would be found out too late."""
    reactor: Any = StoppableReactor()
    noted: list[bool] = []
    site = SiteService(reactor, parse_site(SITE, tmp_path, "test"), note_failure=lambda: noted.append(reactor.stopped))

    assert Task("begin", site._begin(BrokenParts())).done  # type: ignore[arg-type]

    assert reactor.stopped
    assert noted == [False]


def test_taken_port_is_told_without_a_traceback(tmp_path: Path) -> None:
    """The message says which listener can't be had, and why."""
    site, reactor = service(tmp_path)

    def taken(*_: Any, **__: Any) -> None:
        raise OSError("Address already in use")

    reactor.listenTCP = taken  # type: ignore[method-assign]
    with pytest.raises(SystemExit, match=r"listen\.mx can't listen on tcp:2525.*: Address already"):
        site.privilegedStartService()


def test_what_is_done_now_and_then_outlives_a_bug(tmp_path: Path) -> None:
    """One round that fails in a way nobody thought of is logged, and the next one comes; a cancel ends it."""
    site, reactor = service(tmp_path)
    rounds: list[float] = []

    async def work() -> None:
        rounds.append(reactor.seconds())
        if len(rounds) == 1:
            raise ZeroDivisionError

    with said() as lines:
        repeated = Task("test", site._repeat(60.0, work))
        reactor.advance(60)
        reactor.advance(60)
    repeated.cancel()

    assert rounds == [0, 60, 120]
    assert lines == ["failure"]
    assert repeated.done


class ToldParts:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, ...]] = []
        self.mailboxes = self

    async def directory_changed(self) -> None:
        self.told.append(())

    def look(self, mailbox: int, modseq: int) -> None:
        self.told.append((mailbox, modseq))


def test_notices_of_other_processes_reach_their_parts(tmp_path: Path) -> None:
    """Whoever changed the directory or a mailbox says so on the control socket."""
    site, _ = service(tmp_path)
    parts: Any = ToldParts()
    commands, site._parts = site.commands.by_name, parts

    Task("directory", commands["directory.changed"]({}))  # type: ignore[arg-type]
    Task("mailbox", commands["mailbox.changed"]({"mailbox": 7, "sequence": 9}))  # type: ignore[arg-type]
    wrong = Task("wrong", commands["mailbox.changed"]({"mailbox": "7"}))  # type: ignore[arg-type]

    assert parts.told == [(), (7, 9)]
    with pytest.raises(CommandError):
        wrong.__await__().send(None)
