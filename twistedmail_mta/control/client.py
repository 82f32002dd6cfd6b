"""The other end of the control socket, for programs that wait: the `mta` command."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from twistedmail_mta.control.wire import SOCKET_NAME, VERSION, Lines, Object, WireError, decode, encode


class NotRunningError(Exception):
    """No server listens on the control socket."""


class RefusedError(Exception):
    """The server couldn't do what it was asked; the text says why."""


class ControlClient:
    """A connection to the server of a state directory; a context manager."""

    def __init__(self, state_dir: Path, timeout: float = 10.0) -> None:
        """Connect and read the greeting.

        Args:
            state_dir: of the server.
            timeout: seconds that each answer may take.

        Raises:
            NotRunningError: there is no server.
            RefusedError: it is one that speaks another version, or doesn't answer.
        """
        self._lines = Lines()
        self._waiting: list[bytes] = []
        self._socket = _connected(state_dir / SOCKET_NAME, timeout)
        try:
            self.greeting = self._receive()
        except RefusedError:
            self._socket.close()
            raise
        if self.greeting.get("control") != VERSION:
            self._socket.close()
            raise RefusedError("the running server is of another release; restart it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, command: str, arguments: Mapping[str, Any] | None = None) -> Object:
        """Ask the server to do something and return its result.

        Raises:
            RefusedError: it wouldn't, couldn't, or didn't answer in time.
        """
        try:
            self._socket.sendall(encode({"command": command, "arguments": arguments or {}}))
        except OSError as error:
            raise RefusedError(f"the server went away: {error}") from error
        answer = self._receive()
        if "error" in answer:
            raise RefusedError(str(answer["error"]))
        result = answer.get("result")
        if not isinstance(result, dict):
            raise RefusedError("the server gave no answer")
        return result

    def _receive(self) -> Object:
        try:
            while not self._waiting:
                block = self._socket.recv(65536)
                if not block:
                    raise RefusedError("the server closed the connection")
                self._waiting += self._lines.receive(block)
            return decode(self._waiting.pop(0))
        except TimeoutError as error:
            raise RefusedError("the server doesn't answer") from error
        except (OSError, WireError) as error:
            raise RefusedError(f"the server can't be understood: {error}") from error


def tell(state_dir: Path, command: str, arguments: Mapping[str, Any] | None = None) -> Object | None:
    """Ask a server that may be running; None when none is.

    Raises:
        RefusedError: it runs and wouldn't, couldn't, or didn't answer in time.
    """
    try:
        with ControlClient(state_dir) as client:
            return client.call(command, arguments)
    except NotRunningError:
        return None


def _connected(path: Path, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(os.fspath(path))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        connection.close()
        raise NotRunningError(str(error)) from error
    except OSError as error:
        connection.close()
        raise RefusedError(f"{path}: {error.strerror}") from error
    return connection
