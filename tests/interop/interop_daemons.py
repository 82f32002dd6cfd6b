"""Programs run as their own processes, on a loopback network that no other test run uses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds that anything may take; only a failing test waits that long."""

SMTP_PORT = 2525
DNS_PORT = 5300


@dataclass(frozen=True)
class LoopbackNetwork:
    """A network 127.x.y.0/24 with the same ports on each of its addresses."""

    prefix: str

    def address(self, host: int) -> str:
        """Return one of its addresses."""
        return f"{self.prefix}.{host}"

    @property
    def mask(self) -> str:
        """Return the network with its mask."""
        return f"{self.prefix}.0/24"


def own_network() -> LoopbackNetwork:
    """Return a network that follows from this process's id, so that parallel runs don't meet."""
    pid = os.getpid()
    return LoopbackNetwork(f"127.{64 + pid // 256 % 128}.{pid % 256}")


def eventually(condition: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Return the first true value of `condition`; fail the test when there is none in time."""
    deadline = time.monotonic() + patience
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, f"in {patience:g} s never: {what}"
        time.sleep(0.02)


def listens(address: str, port: int) -> bool:
    """Return whether a TCP connection is accepted there."""
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


@dataclass
class Daemon:
    """A program in the foreground of a session of its own, its output in a file.

    Attributes:
        stop_command: ends it, where a signal would end a wrapper only.
    """

    name: str
    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    stop_command: Sequence[str | Path] = ()
    _process: subprocess.Popen[bytes] | None = None

    def start(self, *ready: tuple[str, int]) -> None:
        """Start it and wait until every address and port of `ready` answers."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in self.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict(self.environment),
                cwd=self.folder,
                start_new_session=True,
            )
        for address, port in ready:
            eventually(lambda: self._answers(address, port), f"{self.name} listens on {address}:{port}")  # noqa: B023

    def stop(self, sign: int = signal.SIGTERM) -> int | None:
        """End it and what it started, and nothing else; return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        if self.stop_command:
            subprocess.run(self.stop_command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        else:
            self._signal(process, sign)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._signal(process, signal.SIGKILL)
            return process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def output(self) -> str:
        """Return what it has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _answers(self, address: str, port: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended:\n{self.output()}"
        return listens(address, port)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], sign: int) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(sign)
