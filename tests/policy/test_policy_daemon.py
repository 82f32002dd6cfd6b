"""Connections to daemons: where they go, that nothing grows in them, that nothing of them stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from scanner_kit import Daemons, Scripted, kit
from twisted.internet.defer import Deferred

from twistedmail_mta.policy.daemon import Daemon, DaemonError, Place, place
from twistedmail_mta.tasks import Cancelled, Task


@pytest_twisted.async_yield_fixture
async def daemons() -> AsyncIterator[list[Daemons]]:
    """Daemons to be started by the test, ended behind it."""
    started: list[Daemons] = []
    yield started
    for each in started:
        await each.stop()


def echo(connection: Scripted) -> None:
    connection.say(connection.received)
    connection.received = b""


def asker(*places: str, connections: int = 5) -> Daemon:
    return Daemon(tuple(map(place, places)), connections, kit())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp:127.0.0.1:3310", Place("127.0.0.1", 3310)),
        ("tcp:[::1]:783", Place("::1", 783)),
        ("tcp:clamd.example.org:3310", Place("clamd.example.org", 3310)),
        ("unix:/run/clamav/clamd.ctl", Place("/run/clamav/clamd.ctl")),
    ],
)
def test_places(text: str, expected: Place) -> None:
    assert place(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "tcp:host", "tcp:host:0", "tcp:host:65536", "tcp:::1:3", "unix:x", "host:1", 5])
def test_no_places(text: Any) -> None:
    with pytest.raises(ValueError, match="place"):
        place(text)


@pytest_twisted.ensureDeferred
async def test_the_next_one_is_asked(daemons: list[Daemons], tmp_path: Path) -> None:
    """One that doesn't answer isn't asked first any more."""
    gone = Daemons(echo)
    nowhere = gone.listen()
    await gone.stop()
    daemons.append(Daemons(echo))
    there = daemons[0].listen_at(str(tmp_path / "socket"))
    asks = asker(nowhere, there)

    for _ in range(2):
        async with asks.connection() as connection:
            assert await connection.write(b"hello\r\n")
            assert await connection.read_line() == b"hello"

    assert [str(each) for each in asks._places] == [there, nowhere]
    await daemons[0].all_closed()
    assert len(daemons[0].seen) == 2


@pytest_twisted.ensureDeferred
async def test_none_answers(tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match="unix:"):
        async with asker(f"unix:{tmp_path}/none").connection():
            pass


@pytest_twisted.ensureDeferred
async def test_lines_and_counted_octets(daemons: list[Daemons]) -> None:
    """However they are cut; more than is kept unread is read as well, when it is asked for."""
    large = b"x" * 300_000
    daemons.append(Daemons(lambda each: each.say(b"one\r\ntwo\0" + large + b"rest")))
    async with asker(daemons[0].listen()).connection() as connection:
        await connection.write(b"go")
        assert await connection.read_line() == b"one"
        assert await connection.read_line(b"\0") == b"two"
        assert await connection.read(len(large)) == large
        assert await connection.read(4) == b"rest"


@pytest_twisted.ensureDeferred
async def test_what_comes_unasked_is_bounded(daemons: list[Daemons]) -> None:
    """A daemon that says too much is not listened to."""
    daemons.append(Daemons(lambda each: each.say(b"x" * 3_000_000)))
    async with asker(daemons[0].listen()).connection() as connection:
        await connection.write(b"go")
        with pytest.raises(DaemonError, match="too long"):
            await connection.read_line()
        while not connection._flow._deaf:
            await turn()
        assert len(connection._received) < 400_000


@pytest_twisted.ensureDeferred
async def test_a_writer_waits(daemons: list[Daemons]) -> None:
    """For a daemon that doesn't read; its answer ends the wait."""
    daemons.append(Daemons(lambda _: None, begin=lambda each: each.transport.pauseProducing()))
    async with asker(daemons[0].listen()).connection() as connection:
        task = Task("write", written(connection))
        assert not task.done

        await visited(daemons[0])
        daemons[0].seen[0].say(b"enough\r\n")

        assert await task < 64 << 20
        assert await connection.read_line() == b"enough"


async def written(connection: Any) -> int:
    """Write until nothing more is wanted; return how much was."""
    total = 0
    while await connection.write(b"x" * 65536):
        total += 65536
    return total


async def visited(daemon: Daemons) -> None:
    """Wait for a connection."""
    while not daemon.seen:
        await turn()


async def turn() -> None:
    """Let the reactor do what is due."""
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    over: Deferred[None] = Deferred()
    reactor.callLater(0, over.callback, None)
    await over


@pytest.mark.parametrize("said", [b"", b"half a line"])
@pytest_twisted.ensureDeferred
async def test_an_early_end(daemons: list[Daemons], said: bytes) -> None:
    """Is no answer, whether a line or octets are awaited."""

    def hang_up(connection: Scripted) -> None:
        connection.say(said)
        connection.hang_up()

    daemons.append(Daemons(hang_up))
    asks = asker(daemons[0].listen())
    async with asks.connection() as connection:
        await connection.write(b"go")
        with pytest.raises(DaemonError, match="ended"):
            await connection.read_line()
        assert not await connection.write(b"still there?")
    async with asks.connection() as connection:
        await connection.write(b"go")
        with pytest.raises(DaemonError, match="ended"):
            await connection.read(100)


@pytest_twisted.ensureDeferred
async def test_no_more_than_so_many(daemons: list[Daemons]) -> None:
    """The rest waits; who gives up waiting doesn't take a place."""
    daemons.append(Daemons(echo))
    asks = asker(daemons[0].listen(), connections=1)

    async def said() -> bytes:
        async with asks.connection() as connection:
            await connection.write(b"x\r\n")
            return await connection.read_line()

    async with asks.connection():
        waiting, gives_up = Task("waits", said()), Task("gives up", said())
        gives_up.cancel()
        with pytest.raises(Cancelled):
            await gives_up
        assert not waiting.done
    assert await waiting == b"x"
    assert len(daemons[0].seen) == 2


@pytest_twisted.ensureDeferred
async def test_a_cancelled_question_leaves_no_connection(daemons: list[Daemons]) -> None:
    """Wherever it waits."""
    daemons.append(Daemons(lambda _: None))
    asks = asker(daemons[0].listen(), connections=1)

    async def said() -> bytes:
        async with asks.connection() as connection:
            await connection.write(b"x\r\n")
            return await connection.read_line()

    early = Task("connects", said())
    early.cancel()
    with pytest.raises(Cancelled):
        await early
    late = Task("reads", said())
    await visited(daemons[0])
    late.cancel()
    with pytest.raises(Cancelled):
        await late

    await daemons[0].all_closed()
    async with asks.connection():
        pass
