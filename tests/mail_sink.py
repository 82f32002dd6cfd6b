"""A next hop for tests: takes every message and keeps it exactly as it arrived."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    """One message: its envelope with parameters, its octets without dot-stuffing, and the address it came from."""

    sender: str
    recipients: list[str]
    data: bytes
    peer: str


@dataclass
class Sink:
    """What arrived, and how the sink behaves.

    Attributes:
        extensions: the EHLO keywords.
        answer: given each command line; None, or the reply to give instead of the usual one.
        final: the answer to a message; empty to hang up without one.
    """

    port: int = 0
    messages: list[Received] = field(default_factory=list)
    extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", "SMTPUTF8")
    answer: Callable[[str], str | None] = lambda _line: None
    final: str = "250 2.0.0 taken"


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 sink ESMTP")
        sender, recipients = "", []
        for raw in self.rfile:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            verb = line[:4].upper()
            reply = self.server.sink.answer(line)
            if reply is not None:
                self._say(reply)
            elif verb == "EHLO":
                self._say("250-sink", *[f"250-{name}" for name in self.server.sink.extensions], "250 HELP")
            elif verb == "DATA":
                self._say("354 go on")
                self.server.sink.messages.append(Received(sender, recipients, self._data(), self.client_address[0]))
                sender, recipients = "", []
                if not self.server.sink.final:
                    return
                self._say(self.server.sink.final)
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                if verb == "MAIL":
                    sender, recipients = line[10:], []
                elif verb == "RCPT":
                    recipients.append(line[8:])
                self._say("250 ok")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128  # past the usual 5 a connection may hang for minutes
    sink: Sink

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and know it."""
        self._connections.append(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """Close every connection: a host that is down answers on none."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a peer breaks off."""


@contextmanager
def running_sink(at: tuple[str, int] = ("127.0.0.1", 0), **behaviour: Any) -> Iterator[Sink]:
    """Run a sink, on a free port of loopback unless `at` says where."""
    with _Server(at, _Session) as server:
        server.sink = Sink(server.server_address[1], **behaviour)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.sink
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()
