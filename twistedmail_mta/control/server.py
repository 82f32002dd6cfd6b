"""The server's end of the control socket."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import ClassVar

from twisted.internet.interfaces import IAddress, IListeningPort, IPushProducer, IReactorUNIX
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedmail_mta.control.lock import take_state_dir
from twistedmail_mta.control.wire import SOCKET_NAME, VERSION, Lines, Object, WireError, decode, encode
from twistedmail_mta.errors import MailError
from twistedmail_mta.tasks import Cancelled, TaskGroup, promise_of

Command = Callable[[Object], Awaitable[Object]]
"""Takes the arguments of a request and returns its result; raises `CommandError` to refuse."""


class CommandError(Exception):
    """A command can't be done; the text is for whoever gave it."""


class ControlServer:
    """Listens on the control socket, and keeps a second server off the state directory."""

    def __init__(
        self, reactor: IReactorUNIX, state_dir: Path, release: str, commands: Mapping[str, Command], tasks: TaskGroup
    ) -> None:
        """Prepare; nothing is opened before `start`.

        Args:
            reactor: listens.
            state_dir: where socket and lock are.
            release: the version of the program, shown in the greeting.
            commands: what can be asked, by name.
            tasks: keeps the running commands.
        """
        self._reactor = reactor
        self._state_dir = state_dir
        self._factory = ControlFactory({"control": VERSION, "release": release}, commands, tasks)
        self._lock: int | None = None
        self._port: IListeningPort | None = None

    def lock(self) -> None:
        """Take the state directory for this process.

        Raises:
            AlreadyRunningError: another process has it.
            OSError: the directory can't be written.
        """
        self._lock = take_state_dir(self._state_dir)

    def start(self) -> None:
        """Listen; the state directory must be locked.

        Raises:
            OSError: the socket can't be made.
        """
        path = self._state_dir / SOCKET_NAME
        path.unlink(missing_ok=True)  # left by a server that was killed; the lock says that none runs
        self._port = self._reactor.listenUNIX(os.fspath(path), self._factory, mode=0o600)

    async def stop(self) -> None:
        """Stop listening, close what is open, and give the state directory back."""
        if self._port is not None:
            stopped = self._port.stopListening()
            if stopped is not None:
                await promise_of(stopped)
            self._factory.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class ControlFactory(Factory):
    """Makes the connections of one control socket, and knows them."""

    noisy = False

    def __init__(self, greeting: Object, commands: Mapping[str, Command], tasks: TaskGroup) -> None:
        self.greeting = greeting
        self.commands = commands
        self.tasks = tasks
        self.connections: set[ControlProtocol] = set()

    def buildProtocol(self, addr: IAddress | None) -> ControlProtocol:  # noqa: ARG002, N802 - Twisted's name
        """Make a connection."""
        return ControlProtocol(self)

    def close(self) -> None:
        """Close every connection."""
        for connection in tuple(self.connections):
            connection.close()


class ControlProtocol(Protocol):
    """One connection: requests are answered one after another, reading paused meanwhile."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, factory: ControlFactory) -> None:
        self._factory = factory
        self._lines = Lines()
        self._waiting: deque[bytes] = deque()
        self._serving = False

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Greet."""
        self._factory.connections.add(self)
        self._send(self._factory.greeting)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take octets; answer the requests they complete."""
        try:
            self._waiting.extend(self._lines.receive(data))
        except WireError as error:
            self._send({"error": str(error)})
            self.close()
            return
        if self._waiting and not self._serving:
            self._factory.tasks.start("control", self._serve())

    def connectionLost(self, reason: Failure | None = None) -> None:  # noqa: ARG002, N802 - Twisted's name
        """Forget what waits; the command that runs ends by itself."""
        self._factory.connections.discard(self)
        self._waiting.clear()

    def close(self) -> None:
        """Close the connection once what was written is sent."""
        if self.transport is not None:
            self.transport.loseConnection()

    async def _serve(self) -> None:
        source = IPushProducer(self.transport)
        self._serving = True
        source.pauseProducing()
        try:
            while self._waiting:
                self._send(await self._answer(self._waiting.popleft()))
        finally:
            self._serving = False
            if self in self._factory.connections:
                source.resumeProducing()

    async def _answer(self, line: bytes) -> Object:
        try:
            command, arguments = self._request(decode(line))
            return {"result": await command(arguments)}
        except (WireError, CommandError, MailError) as error:
            return {"error": str(error)}
        except Cancelled:
            raise
        except Exception:  # noqa: BLE001 - the edge to every part that registers commands
            self.log.failure("control command failed", event="control.failed")
            return {"error": "the server failed on this command; its log says more"}

    def _request(self, request: Object) -> tuple[Command, Object]:
        name, arguments = request.get("command"), request.get("arguments", {})
        command = self._factory.commands.get(name) if isinstance(name, str) else None
        if command is None:
            raise CommandError(f"unknown command: {name}")
        if not isinstance(arguments, dict):
            raise CommandError("arguments must be a JSON object")
        return command, arguments

    def _send(self, value: Object) -> None:
        if self.transport is not None:
            self.transport.write(encode(value))
