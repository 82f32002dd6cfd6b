"""From nothing to the first delivered mail: README's transcript is what really happens.

`MTA_WRITE_TRANSCRIPT=1 pytest tests/system/test_system_quickstart.py` writes it anew.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from free_ports import PORTS, free_base
from running_site import CHECKOUT, RunningSite, environment

YOU: Final = "you@example.org"
SHOWN_PORTS: Final = 2000
SHOWN_PASSWORD: Final = "k3uPyR8sVwq-Zt5X"
SHOWN_HOME: Final = "/home/you"
README: Final = CHECKOUT / "README.md"
BEGINS, ENDS = "```console\n$ mta quickstart ", "\n```\n"
_MTA: Final = f"{shlex.quote(sys.executable)} -m twistedmail_mta.cli.main"


class Transcript:
    """Types commands into a shell in a folder, and keeps what is seen there."""

    def __init__(self, folder: Path, base: int) -> None:
        self.folder = folder
        self.base = base
        self.password = ""
        self.lines: list[str] = []

    def type(self, command: str) -> str:
        """Run a command as it is shown; return what it prints."""
        self.lines.append(f"$ {command}")
        said = self.run(command)
        self.lines += self.normal(said).splitlines()
        return said

    def run(self, command: str) -> str:
        """Run a command that isn't shown."""
        shell = ["/bin/bash", "-c", f'mta() {{ {_MTA} "$@"; }}\n{self._real(command)}']
        done = subprocess.run(shell, cwd=self.folder, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def hide(self, password: str) -> None:
        """Know the password from here on, and show another."""
        self.password = password
        self.lines = [line.replace(password, SHOWN_PASSWORD) for line in self.lines]

    def _real(self, command: str) -> str:
        """Return what is typed here for what README shows: other ports, and the password where curl would ask."""
        for port in PORTS:
            command = command.replace(f":{SHOWN_PORTS + port}", f":{self.base + port}")
        command = command.replace(f"--ports {SHOWN_PORTS}", f"--ports {self.base}")
        login = shlex.quote(f"{YOU}:{self.password}")
        return command.replace(f"-u {YOU}", f"-sS -u {login}") if "curl" in command else command

    def normal(self, text: str) -> str:
        """Return a text without what is another each time."""
        text = text.replace(str(self.folder), SHOWN_HOME).replace(self.password or "\0", SHOWN_PASSWORD)
        for port in PORTS:
            text = re.sub(rf"\b{self.base + port}\b", str(SHOWN_PORTS + port), text)
        text = text.replace(f"{self.base} is added", f"{SHOWN_PORTS} is added")
        text = re.sub(r"\(\n((?: +\"[^\"]*\"\n)+)\)", lambda found: _joined(found[1]), text)
        text = re.sub(r"p=[\w+/=]{40,}", "p=MIIB...", text)
        text = re.sub(r"3 1 1 [0-9a-f]{64}", "3 1 1 5f2c...", text)
        text = re.sub(r"\b20\d\d([a-z])(-ed25519)?\._domainkey", r"2026\1\2._domainkey", text)
        text = re.sub(r"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "Tue, 1 Dec 2026 12:00:00 +0000", text)
        text = re.sub(r"(\bid |Message-ID: <)[0-9a-z]{13}", r"\g<1>0cpgnvrhe0000", text)
        text = re.sub(r"TLSv1\.\d \w+", "TLSv1.3 TLS_AES_256_GCM_SHA384", text)
        text = re.sub(r"warning: server\.user: is missing.*\n.*\n", "", text)  # what root alone is told
        text = text.replace("Worth knowing:\n\n", "")
        return text.replace(socket.gethostname(), "laptop")


def _joined(lines: str) -> str:
    return '"' + "".join(re.findall(r'"([^"]*)"', lines)) + '"'


def happened(folder: Path) -> str:
    """Go from nothing to the first mail, and return what is seen on the way."""
    shell = Transcript(folder, free_base())
    options = f"--hostname mail.example.org --address 203.0.113.5 --ports {SHOWN_PORTS} --dir site"
    said = shell.type(f"mta quickstart {YOU} {options}")
    shell.hide(re.findall(r"shown this once: (\S+)", said)[0])
    commands = dict(line.split(None, 1) for line in shell.normal(said).partition("Next:\n")[2].splitlines())
    shell.lines.append(f"$ {commands['start'].replace(f'{SHOWN_HOME}/', '')} > site/log &")
    site = Served(folder / "site").start()
    try:
        shell.type(commands["send"])
        seen = shell.type(commands["read"])
        shell.type("mta --config site/mta.toml queue list")
        again = shell.run(f"mta quickstart {YOU} --dir site --json")
    finally:
        assert site.stop() == 0
    assert (json.loads(again)["ok"], json.loads(again)["changed"]) == (True, False), (
        "it may be run while the server does"
    )
    assert "Subject: hello" in seen
    assert "my first message" in seen
    assert "Traceback" not in site.log
    return "\n".join(shell.lines)


class Served(RunningSite):
    """The site that quickstart has made, started as any other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.config = directory / "mta.toml"
        self.log_path = directory / "log"
        self.process = None
        self.ports = {}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl isn't installed")
def test_transcript_in_readme(tmp_path: Path) -> None:
    """Every line of it, but for dates, keys, ids and the password, is what the commands print."""
    text = README.read_text()
    begin = text.index(BEGINS) + len("```console\n")
    end = text.index(ENDS, begin)

    seen = happened(tmp_path)
    if os.environ.get("MTA_WRITE_TRANSCRIPT"):
        README.write_text(text[:begin] + seen + text[end:])

    assert README.read_text()[begin:].startswith(seen + ENDS)
