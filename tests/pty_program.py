"""A program on a terminal of its own: what it writes is read as a screen has it, and keys are typed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

PATIENCE = 60.0


class PtyProgram:
    """Runs as long as the context lasts.

    Attributes:
        written: everything that it has written to the terminal.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self.written = b""
        self._ours, self._its = pty.openpty()
        self.resize(columns, lines)
        self._process = subprocess.Popen(
            command, stdin=self._its, stdout=self._its, stderr=self._its, env=dict(environment), start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._ours)
        os.close(self._its)

    def resize(self, columns: int, lines: int) -> None:
        """Let the terminal have another size."""
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, octets: bytes) -> None:
        """Type keys."""
        os.write(self._ours, octets)

    def send_signal(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(signum)

    def writes(self, true: Callable[[bytes], bool]) -> bytes:
        """Wait until what it has written since the last call is as wanted; return that."""
        begun, deadline = len(self.written), time.monotonic() + PATIENCE
        while not true(self.written[begun:]):
            assert time.monotonic() < deadline, self.written[begun:]
            self._read(0.1)
        return self.written[begun:]

    def ends(self) -> int:
        """Wait for its end, and return the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < deadline, self.written
            self._read(0.1)
        self._read(0.1)
        return self._process.returncode

    def has_echo(self) -> bool:
        """Return whether the terminal shows what is typed, as it does for a shell."""
        wanted = termios.ECHO | termios.ICANON
        return termios.tcgetattr(self._its)[3] & wanted == wanted

    def _read(self, patience: float) -> None:
        while select.select([self._ours], [], [], patience)[0]:
            block = os.read(self._ours, 65536)
            if not block:
                return
            self.written += block
            patience = 0.0
