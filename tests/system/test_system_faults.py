"""Two sites as each other's next hop, over a line that breaks at random: every message is accounted for."""

from __future__ import annotations

import select
import smtplib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from mail_sink import Received, Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until

MESSAGES = 20
BROKEN = 14
"""Connections that may break, on each line; later ones don't, so that the test ends."""
FAULTS = ("refuse", "reset", "cut", "truncate", "stall", "late reset", "slow", "none")
TIMES = "".join(
    f'{name} = "1s"\n' for name in ("connect", "greeting", "ehlo", "mail", "rcpt", "data", "block", "final")
)
RESET = struct.pack("ii", 1, 0)


class Line(socketserver.ThreadingTCPServer):
    """A line to a site that does to its connections what chance says.

    Attributes:
        target: the port it leads to.
        met: the faults so far.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.target = 0
        self.met: list[str] = []
        self._random = Random(seed)

    def fate(self) -> tuple[str, int]:
        """Return what becomes of a connection, and after how many octets."""
        fault = self._random.choice(FAULTS) if len(self.met) < BROKEN else "none"
        self.met.append(fault)
        return fault, self._random.choice((0, 60, 300, 900, 2500, 6000))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a peer breaks off."""


class _Connection(socketserver.BaseRequestHandler):
    server: Line

    def handle(self) -> None:
        fault, after = self.server.fate()
        near: socket.socket = self.request
        if fault == "reset":
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if fault in ("refuse", "reset"):
            return
        with socket.create_connection(("127.0.0.1", self.server.target)) as far:
            self._carry(near, far, fault, after if fault != "none" else 1 << 40)
            if fault == "late reset":
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def _carry(self, near: socket.socket, far: socket.socket, fault: str, after: int) -> None:
        while True:
            for source in select.select((near, far), (), ())[0]:
                block = source.recv(65536)
                if not block:
                    return
                if fault == "slow":
                    time.sleep(0.005)
                elif len(block) > after:
                    self._break(far if source is near else near, block[: after // 2], fault)
                    return
                after -= len(block)
                (far if source is near else near).sendall(block)

    def _break(self, to: socket.socket, rest: bytes, fault: str) -> None:
        if fault == "truncate":
            to.sendall(rest)
        elif fault == "stall":
            time.sleep(1.5)


@contextmanager
def line(seed: int) -> Iterator[Line]:
    """Run a line."""
    with Line(seed) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def site(  # noqa: PLR0917 - all that it is connected to
    directory: Path, own: str, sink: Sink, other: str, to_other: Line, home: Sink
) -> RunningSite:
    """Return a site that takes mail for `own` and sends that for `other` over a line."""
    return RunningSite(
        directory,
        f'[domains."{own}"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
        f'[queue]\nretry = ["200ms"]\nretry_cap = "500ms"\n[outbound.timeouts]\n{TIMES}'
        f'[[route]]\nmatch.to_domain = ["{other}"]\nvia = "smtp://127.0.0.1:{to_other.server_address[1]}"\n'
        f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{home.port}"\n',
    )


def submit(site: RunningSite, domain: str) -> dict[bytes, str]:
    """Submit messages of all sizes, every fourth to somebody who isn't there; return recipients by mark."""
    sent = {}
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
        client.login(ACCOUNT, PASSWORD)
        for number in range(MESSAGES):
            name = "nobody" if number % 4 == 0 else "bob"
            mark = f"{domain}-{number:03}-end".encode()
            text = b"Subject: %s\r\n\r\n" % mark + b".line\r\n" * (10 ** (number % 4 + 1))
            client.sendmail(ACCOUNT, f"{name}@{domain}", b"From: " + ACCOUNT.encode() + b"\r\n" + text)
            sent[mark] = name
    return sent


def nobody_is_unknown(command: str) -> str | None:
    """Refuse one recipient."""
    return "550 5.1.1 there is nobody here" if command.startswith("RCPT TO:<nobody@") else None


def test_every_message_is_accounted_for(tmp_path: Path) -> None:
    """Whatever breaks, each message arrives where it should, whole, or is reported to its sender."""
    with ExitStack() as stack:
        home = stack.enter_context(running_sink())
        sinks = [stack.enter_context(running_sink(answer=nobody_is_unknown)) for _ in range(2)]
        lines = [stack.enter_context(line(seed)) for seed in (1, 2)]
        first = site(tmp_path / "a", "a.test", sinks[0], "b.test", lines[1], home)
        second = site(tmp_path / "b", "b.test", sinks[1], "a.test", lines[0], home)
        for one in (first, second):
            stack.callback(one.stop)
            one.start()
            one.add_account(ACCOUNT, PASSWORD)
        lines[0].target, lines[1].target = first.ports["mx"], second.ports["mx"]

        sent = [submit(second, "a.test"), submit(first, "b.test")]

        for marks, sink in zip(sent, sinks, strict=True):
            wait_until(lambda: not missing(marks, sink, home), 60)  # noqa: B023 - called at once
        for marks, sink, other in zip(sent, sinks, reversed(sinks), strict=True):
            for message in filter(addressed, sink.messages):
                found = [mark for mark in marks if mark in message.data]
                assert len(found) == 1, message
                mark = found[0]
                assert message.data.endswith(b".line\r\n" * 10 ** (int(mark[7:10]) % 4 + 1))
            assert not any(mark in message.data for message in other.messages for mark in marks)
        for one in (first, second):
            wait_until(lambda: one.mta("--json", "queue", "list").stdout.strip() in {"", "[]"}, 30)  # noqa: B023
        assert all(len(set(each.met)) > 4 for each in lines)


def addressed(message: Received) -> bool:
    """Whether a message is for anybody: the empty one after a pipelined DATA for nobody isn't."""
    return bool(message.recipients)


def missing(marks: dict[bytes, str], sink: Sink, home: Sink) -> list[bytes]:
    """Return the marks of messages that neither arrived nor were reported."""
    arrived = b"\n".join(message.data for message in sink.messages)
    reported = b"\n".join(message.data for message in home.messages)
    return [mark for mark, name in marks.items() if mark not in (arrived if name == "bob" else reported)]
