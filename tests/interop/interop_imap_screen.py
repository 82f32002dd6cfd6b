"""A program on a terminal, run in tmux: keys are typed, and the screen is read."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from interop_daemons import PATIENCE, eventually

TMUX = Path("/usr/bin/tmux")


class Screen:
    """The terminal of a running program."""

    def __init__(self, home: Path) -> None:
        socket = home / f"tmux-{token_hex(4)}"  # one that ends may still have the last one
        self._tmux = [str(TMUX), "-S", str(socket), "-f", "/dev/null"]
        self._environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}

    def tmux(self, *words: str) -> str:
        """Give tmux a command; return what it prints."""
        done = self._run(words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ended(self) -> None:
        """Wait until the program has ended."""
        eventually(lambda: self._run(["has-session"]).returncode, "the program ends")

    def close(self) -> None:
        """End the program, if it hasn't: some stay when their terminal goes."""
        pid = self._run(["display-message", "-p", "#{pane_pid}"]).stdout.strip()
        self._run(["kill-server"])
        if pid:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._tmux, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def text(self) -> str:
        """Return what is on the screen."""
        return self.tmux("capture-pane", "-p")

    def shows(self, *words: str) -> str:
        """Wait until all words are on the screen; return it."""
        seen = ""

        def all_there() -> bool:
            nonlocal seen
            seen = self.text()
            return all(word in seen for word in words)

        try:
            eventually(all_there, f"{words}")
        except AssertionError:
            raise AssertionError(f"no {words} on the screen:\n{seen}") from None
        return seen

    def type(self, text: str, *keys: str) -> None:
        """Type a text, and then keys by tmux's names for them."""
        if text:
            self.tmux("send-keys", "-l", text)
        if keys:
            self.tmux("send-keys", *keys)


@contextmanager
def on_screen(command: list[str | Path], home: Path, columns: int = 120, lines: int = 40) -> Iterator[Screen]:
    """Run a program on a terminal of its own."""
    screen = Screen(home)
    screen.tmux("new-session", "-d", "-x", str(columns), "-y", str(lines), *map(str, command))
    try:
        yield screen
    finally:
        screen.close()
