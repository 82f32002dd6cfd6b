"""The server's end, with no reactor under it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactor, StringTransport

from twistedmail_mta.control.lock import AlreadyRunningError
from twistedmail_mta.control.server import ControlFactory, ControlProtocol, ControlServer
from twistedmail_mta.control.wire import MAX_LINE, Object
from twistedmail_mta.tasks import Promise, TaskGroup


class Slow:
    """A command that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[Object] = []
        self.promise: Promise[Object] = Promise()

    async def __call__(self, arguments: Object) -> Object:
        self.asked.append(arguments)
        return await self.promise


def connected(command: Slow) -> tuple[ControlProtocol, StringTransport]:
    protocol = ControlFactory({"control": 1}, {"slow": command}, TaskGroup()).buildProtocol(None)
    transport = StringTransport()
    protocol.makeConnection(transport)
    transport.clear()
    return protocol, transport


def answers(transport: StringTransport) -> list[Object]:
    return [json.loads(line) for line in transport.value().splitlines()]


def test_requests_are_answered_in_order() -> None:
    """The second request isn't looked at before the first is answered, and reading is paused."""
    slow = Slow()
    protocol, transport = connected(slow)

    protocol.dataReceived(b'{"command":"slow","arguments":{"n":1}}\n{"command":"slow","arguments":{"n":2}}\n')
    assert slow.asked == [{"n": 1}]
    assert transport.producerState == "paused"

    slow.promise.resolve({"done": True})
    assert slow.asked == [{"n": 1}, {"n": 2}]
    assert answers(transport) == [{"result": {"done": True}}] * 2
    assert transport.producerState == "producing"


def test_lost_connection_forgets_what_waits() -> None:
    """A client that leaves gets no more of its requests done; the one begun ends."""
    slow = Slow()
    protocol, transport = connected(slow)
    protocol.dataReceived(b'{"command":"slow"}\n{"command":"slow"}\n')

    protocol.connectionLost()
    slow.promise.resolve({})

    assert len(slow.asked) == 1
    assert transport.producerState == "paused"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"junk\n", "not a line of JSON"),
        (b"[]\n", "not a JSON object"),
        (b'{"command":"nonsense"}\n', "unknown command: nonsense"),
        (b'{"command":[]}\n', "unknown command: []"),
        (b'{"command":"slow","arguments":3}\n', "arguments must be a JSON object"),
    ],
)
def test_bad_requests_are_answered(line: bytes, error: str) -> None:
    """The connection goes on after a request that makes no sense."""
    protocol, transport = connected(Slow())

    protocol.dataReceived(line)

    assert answers(transport) == [{"error": error}]
    assert not transport.disconnecting


def test_endless_line_ends_the_connection() -> None:
    """Memory is bounded."""
    protocol, transport = connected(Slow())

    protocol.dataReceived(b"x" * (MAX_LINE + 1))

    assert answers(transport) == [{"error": "line too long"}]
    assert transport.disconnecting


def test_second_server_is_kept_out(tmp_path: Path) -> None:
    """Two servers on one state directory would take each other's mail; the first one's end frees it."""
    first, second = (ControlServer(MemoryReactor(), tmp_path, "1", {}, TaskGroup()) for _ in range(2))
    first.lock()

    with pytest.raises(AlreadyRunningError, match="another server is running in "):
        second.lock()
    Deferred.fromCoroutine(first.stop())
    second.lock()
    Deferred.fromCoroutine(second.stop())
