"""The log as lines: Twisted's own, only written together."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, LogPublisher, formatEventAsClassicLogText
from twisted.python.failure import Failure

from twistedmail_mta.observe.lines import LineLog


class ReactorClock(Clock):
    """A reactor whose turns the test takes; other threads hand their calls over."""

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:  # noqa: N802 - Twisted's name
        self.callLater(0, call, *args)


class Broken:
    """A field that can't be written."""

    def __format__(self, _: str) -> str:
        raise ValueError


class FullDisk(io.StringIO):
    """A stream that takes nothing."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def event(form: str | None, **fields: Any) -> dict[str, Any]:
    return {
        "log_format": form,
        "log_time": 1_700_000_000.25,
        "log_level": LogLevel.info,
        "log_namespace": "a.B",
    } | fields


@pytest.mark.parametrize(
    "logged",
    [
        event("{queue_id} went to {recipient!r} in {seconds:.1f} s", queue_id="0a", recipient="a@b", seconds=1.25),
        event("{call()} and {each.imag}", call=lambda: "called", each=3),
        event("two\nlines of {text}", text="a\nb"),
        event("{missing}"),
        event("{broken}", broken=Broken()),
        event("[of the system]", log_system="-"),
        event("no level", log_level=None),
        event(None),
        event(""),
        event("failed", log_failure=Failure(ValueError("why"))),
        {"log_time": 1_700_000_000.0, "log_text": "legacy", "log_format": "{log_text}", "log_level": LogLevel.warn},
    ],
)
def test_lines_are_those_of_twisted(logged: dict[str, Any]) -> None:
    """Whatever is logged, every octet is as Twisted's own observer writes it."""
    stream = io.StringIO()

    LineLog(stream, ReactorClock())(logged)

    assert stream.getvalue() == (formatEventAsClassicLogText(logged) or "")


@pytest.mark.parametrize("failed", [False, True])
def test_nothing_commands_a_terminal(failed: bool) -> None:
    """Whoever reads the log sees where something was; lines are parted by us alone, and letters stay."""
    said = "\x1b[2Jred\r\x07 \x9b31m \u202egr\u00fcn\u2028 \udcff \u00a0\u200d\tend\nmore"
    stream = io.StringIO()

    LineLog(stream, ReactorClock())(
        event("{said}", said=said, **({"log_failure": Failure(ValueError(said))} if failed else {}))
    )

    text = stream.getvalue()
    assert "\ufffd[2Jred\ufffd\ufffd \ufffd31m \ufffdgr\u00fcn\ufffd \ufffd \u00a0\u200d\tend\n\tmore\n" in text
    assert not set(text) & set("\x1b\r\x07\x9b\u202e\u2028\udcff")


def test_lines_of_a_turn_leave_together() -> None:
    """In their order, when the turn ends; after the stop each at once."""
    stream, reactor = io.StringIO(), ReactorClock()
    lines = LineLog(stream, reactor)
    log = Logger("test", observer=LogPublisher(lines))
    lines.start()

    log.info("one")
    log.info("two")
    gathered = stream.getvalue()
    reactor.advance(0)
    written = stream.getvalue()
    log.info("three")
    lines.stop()
    log.info("four")

    assert gathered == ""
    assert [line[-3:] for line in written.splitlines()] == ["one", "two"]
    assert [line.split()[-1] for line in stream.getvalue().splitlines()] == ["one", "two", "three", "four"]


def test_other_threads_log_too() -> None:
    """Their lines are written by the reactor's thread, none twice and none lost."""
    stream, reactor = io.StringIO(), ReactorClock()
    lines = LineLog(stream, reactor)
    lines.start()

    threads = [threading.Thread(target=lines, args=(event("{n}", n=n),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reactor.advance(0)

    assert sorted(int(line.split()[-1]) for line in stream.getvalue().splitlines()) == list(range(20))


def test_a_full_disk_stops_nothing() -> None:
    """Lines that can't be written are lost, and nobody is bothered with that."""
    lines = LineLog(FullDisk(), ReactorClock())

    lines(event("one"))
    lines(event("two"))
