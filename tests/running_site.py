"""Starts the real `twistd mta` as a process, for tests that talk to it from outside.

The site listens on port 0 of loopback; where, it says in its log, one line for
each listener: "listening NAME HOST:PORT".
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from twistedmail_mta.tls.certificates import write_self_signed

CHECKOUT = Path(__file__).resolve().parent.parent
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
ACCOUNT, PASSWORD = "alice@example.org", "correct horse"
START_WITHIN = 30.0
STEP = 0.02


def environment() -> dict[str, str]:
    """What both programs need to run from a checkout."""
    paths = [str(CHECKOUT / "plugins"), str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}


class RunningSite:
    """A site in a directory of its own, started and stopped as often as a test likes.

    Attributes:
        running: all that run in this process, so that a test which fails can show what they said.
    """

    running: ClassVar[set[RunningSite]] = set()

    def __init__(self, directory: Path, toml: str = "", listeners: str | None = None, host: str = "127.0.0.1") -> None:
        """Write the site file.

        Args:
            directory: becomes the home of the site; made if needed.
            toml: tables to add to the site file.
            listeners: the `[listen.*]` tables; by default one of each kind.
            host: where to listen.
        """
        self.directory = directory
        self.state = directory / "state"
        self.config = directory / "mta.toml"
        self.log_path = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.ports: dict[str, int] = {}
        self.host = host
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate, self.key = directory / "cert.pem", directory / "key.pem"
        write_self_signed(self.certificate, self.key, ["mail.example.org", "localhost"], datetime.now(tz=UTC))
        self.config.write_text(self._base() + (self._listeners() if listeners is None else listeners) + toml)

    def _base(self) -> str:
        return (
            "config_version = 1\n"
            f'[server]\nhostname = "mail.example.org"\nstate_dir = "{self.state}"\nadmin = "postmaster@example.org"\n'
            f'[tls]\ncertificate = "{self.certificate}"\nkey = "{self.key}"\n'
        )

    def _listeners(self) -> str:
        at = f"tcp:0:interface={self.host}"
        return (
            f'[listen.mx]\nendpoint = "{at}"\nrole = "mx"\n'
            f'[listen.submission]\nendpoint = "{at}"\nrole = "submission"\nplaintext_login = ["127.0.0.0/8"]\n'
            f'[listen.submissions]\nendpoint = "{at}"\nrole = "submission"\ntls = "implicit"\n'
        )

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, program: Sequence[str] = TWISTD, patience: float = START_WITHIN) -> RunningSite:
        """Start the server and wait until it listens everywhere."""
        with self.log_path.open("ab") as log:
            begun = log.tell()
            self.process = subprocess.Popen(
                [*program, "-n", "--pidfile=", "mta", "--config", str(self.config)],
                cwd=self.directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.running.add(self)
        self._wait_until_it_listens(begun, patience)
        return self

    def _wait_until_it_listens(self, begun: int, patience: float) -> None:
        wanted = len(re.findall(r"^\[listen\.\w+\]", self.config.read_text(), re.MULTILINE))
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            said = self.log_path.read_bytes()[begun:].decode(errors="replace")
            places = dict(re.findall(r'listening (\S+) ([^\s"]+)["\n]', said))
            if len(places) >= wanted:
                ports = {name: place.rpartition(":")[2] for name, place in places.items()}
                self.ports = {name: int(port) for name, port in ports.items() if port.isdigit()}
                return
            if self.process is None or self.process.poll() is not None:
                break
            time.sleep(STEP)
        raise AssertionError(f"the server did not start:\n{self.log}")

    def send_signal(self, signum: int) -> None:
        """Send the server a signal."""
        assert self.process is not None
        self.process.send_signal(signum)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """End the server and return its exit status."""
        if self.process is not None and self.process.poll() is None:
            self.send_signal(signum)
        return self.wait(signum)

    def wait(self, signum: int = signal.SIGTERM) -> int:
        """Wait for the end after a signal; return the exit status."""
        if self.process is None:
            return 0
        status = self.process.wait(30)
        self.process = None
        self.running.discard(self)
        return 0 if status == -signum else status  # twistd ends by the signal that stopped it

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.stop(signal.SIGKILL)

    def mta(
        self, *arguments: str, stdin: str = "", check: bool = True, patience: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run an operator's command on this site."""
        return subprocess.run(
            [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(self.config), *arguments],
            cwd=self.directory,
            env=environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=patience,
            check=check,
        )

    def add_account(self, address: str, password: str) -> None:
        """Make a login."""
        self.mta("account", "add", address, "--password-stdin", stdin=password + "\n")


def wait_until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the callable `true` says so; fail the test when it never does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(STEP)
