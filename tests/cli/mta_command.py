"""The `mta` command, run in this process on one site."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from twistedmail_mta.cli.main import mta
from twistedmail_mta.privileges import running_user

CHECK = ("check", "--offline", *(word for each in ("ports", "machine", "disk", "clock") for word in ("--skip", each)))
"""What of `mta check` is the same on every machine."""
SITE = f"""\
config_version = 1
[server]
hostname = "mail.example.org"
state_dir = "state"
admin = "postmaster@example.org"
user = "{running_user().name}"
[dns]
dnssec = "off"
[tls]
certificate = "cert.pem"
key = "key.pem"
[listen.mx]
endpoint = "tcp:2525"
role = "mx"
"""


@dataclass
class Command:
    """The `mta` command on one site."""

    file: Path

    @property
    def state_dir(self) -> Path:
        return self.file.parent / "state"

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(mta, ["--config", str(self.file), *arguments], input=stdin)

    def json(self, *arguments: str) -> Any:
        result = self(*arguments, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    def worries(self) -> list[Any]:
        """Return what `mta check` finds wrong with a site that can be used."""
        return [each for each in self.json(*CHECK)["findings"] if each["level"] != "note"]
