"""The waiting client against the real server, over a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher

from twistedmail_mta.control.client import ControlClient, NotRunningError, RefusedError, tell
from twistedmail_mta.control.wire import SOCKET_NAME

T = TypeVar("T")


async def waiting(function: Callable[[], T]) -> T:
    """Run what blocks beside the reactor."""
    return await deferToThread(function)


@pytest_twisted.ensureDeferred
async def test_commands_and_answers(server_dir: Path) -> None:
    """Several requests on one connection; the greeting tells the release."""

    def ask() -> tuple[object, ...]:
        with ControlClient(server_dir) as client:
            return client.greeting["release"], client.call("echo", {"ü": [1, None]}), client.call("echo")

    assert await waiting(ask) == ("1.2.3", {"said": {"ü": [1, None]}}, {"said": {}})


@pytest_twisted.ensureDeferred
async def test_refusals(server_dir: Path) -> None:
    """What a command refuses comes back as its own words."""
    with pytest.raises(RefusedError, match="not today"):
        await waiting(lambda: tell(server_dir, "refuse"))


@pytest_twisted.ensureDeferred
async def test_failures_are_logged_not_told(server_dir: Path) -> None:
    """A bug in a command is a failure in the log and no traceback for the client."""
    logged: list[object] = []
    globalLogPublisher.addObserver(logged.append)

    with pytest.raises(RefusedError, match="its log says more"):
        await waiting(lambda: tell(server_dir, "fail"))

    globalLogPublisher.removeObserver(logged.append)
    assert any(event.get("event") == "control.failed" for event in logged)


@pytest_twisted.ensureDeferred
async def test_socket_is_its_owners(server_dir: Path) -> None:
    """Nobody else may give commands."""
    assert (server_dir / SOCKET_NAME).stat().st_mode & 0o777 == 0o600


def test_no_server(tmp_path: Path) -> None:
    """No socket, and the socket a killed server left, both mean that none runs."""
    assert tell(tmp_path, "echo") is None
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / SOCKET_NAME))
    left.close()

    assert tell(tmp_path, "echo") is None
    with pytest.raises(NotRunningError):
        ControlClient(tmp_path)


def test_server_that_does_not_answer(tmp_path: Path) -> None:
    """A stopped server costs the timeout, not for ever."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / SOCKET_NAME))
        silent.listen()

        with pytest.raises(RefusedError, match="doesn't answer"):
            ControlClient(tmp_path, timeout=0.05)


@pytest.mark.parametrize("greeting", [b"220 hello\n", b'{"control": 99}\n', b""])
def test_server_that_speaks_otherwise(tmp_path: Path, greeting: bytes) -> None:
    """Another release, another program, or a connection closed at once."""
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / SOCKET_NAME))
        other.listen()

        with pytest.raises(RefusedError):
            greeted(other, greeting, tmp_path)


def greeted(other: socket.socket, greeting: bytes, folder: Path) -> None:
    def serve() -> None:
        connection, _ = other.accept()
        connection.sendall(greeting)
        connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        ControlClient(folder, timeout=5)
    finally:
        thread.join()
