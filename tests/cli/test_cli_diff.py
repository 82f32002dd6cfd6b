"""`mta diff`: what a reload or a restart would change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mta_command import SITE, Command

from twistedmail_mta.config.in_use import NAME, read_in_use, write_in_use
from twistedmail_mta.config.load import read_site

PLUGIN = """
class Plugin:
    def __init__(self, options, kit):
        pass
"""


@pytest.fixture
def started(command: Command) -> Command:
    """The command, after a server has begun to run with the site file."""
    command.state_dir.mkdir(exist_ok=True)
    write_in_use(read_site(command.file), "1.0")
    return command


def test_nothing(started: Command) -> None:
    """Exit status 0."""
    result = started("diff")

    assert (result.exit_code, result.output) == (0, "Nothing would change.\n")
    assert started.json("diff") == {"usable": True, "problems": [], "changes": [], "begins": [], "ends": []}


def test_what_changes(started: Command) -> None:
    """Each key with both values, as the file has them; what counts after a restart apart; exit status 1."""
    text = SITE.replace("[tls]", '[limits]\nidle = "10m"\n[tls]').replace('dnssec = "off"', 'timeout = "9s"')
    started.file.write_text(text + '[listen.pop3]\nendpoint = "tcp:110"\nrole = "pop3"\n[domains."example.org"]\n')

    result = started("diff")

    assert (
        result.output
        == """\
A reload changes:
  + domains."example.org" = {}
  ~ limits.idle = "5m" -> "10m"
Only a restart changes:
  ~ dns.timeout = "5s" -> "9s"
  ~ dns.dnssec = "off" -> "probe"
  + listen.pop3 = { endpoint = ["tcp:110"], role = "pop3" }
"""
    )
    assert result.exit_code == 1
    as_json = json.loads(started("diff", "--json").stdout)
    assert {"path": "limits.idle", "counts_after": "reload", "before": '"5m"', "after": '"10m"'} in as_json["changes"]
    assert {each["path"] for each in as_json["changes"] if each["counts_after"] == "restart"} == {
        "dns.timeout", "dns.dnssec", "listen.pop3",
    }  # fmt: skip


def test_what_goes(started: Command) -> None:
    """A table that isn't there any more is told with what it said."""
    started.file.write_text(SITE.replace('[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n', ""))

    result = started("diff")

    folder = started.file.parent
    tls = f'{{ certificate = "{folder}/cert.pem", key = "{folder}/key.pem" }}'
    assert result.output == f"Only a restart changes:\n  - tls = {tls}\n"


def test_plugins(command: Command) -> None:
    """One whose code was edited begins anew, though no key differs."""
    module = command.file.parent / "own.py"
    module.write_text(PLUGIN)
    command.file.write_text(
        SITE.replace("[server]", 'plugin_path = ["."]\n[server]') + '[plugins.a]\nuse = "own:Plugin"\n'
    )
    command.state_dir.mkdir()
    write_in_use(read_site(command.file), "1.0")
    assert command("diff").exit_code == 0
    module.write_text(PLUGIN + "\n# edited\n")

    result = command("diff")

    assert result.output == "Plugins that begin: a\nPlugins that end with the sessions that run: a\n"
    assert result.exit_code == 1


def test_a_file_that_cannot_be_used(started: Command) -> None:
    """Every mistake; exit status 2."""
    started.file.write_text(SITE.replace("hostname", "hostnam"))

    result = started("diff")

    assert "error: server.hostnam: is unknown; did you mean hostname?\n" in result.output
    assert result.output.endswith("A reload would change nothing: this site file can't be used.\n")
    assert result.exit_code == 2
    as_json = json.loads(started("diff", "--json").stdout)
    assert not as_json["usable"]
    assert {"path": "server.hostname", "text": "is missing"} in as_json["problems"]


def test_nothing_to_compare_with(command: Command) -> None:
    """No server has run; exit status 2, and no directory is made for it."""
    result = command("diff")

    assert result.output == (
        f"Error: no server has been started with {command.state_dir} yet: there is nothing to compare with\n"
    )
    assert result.exit_code == 2
    assert not command.state_dir.exists()


def test_what_cannot_be_read(started: Command) -> None:
    """Half a file is none."""
    path = started.state_dir / NAME
    path.write_bytes(path.read_bytes()[:100])

    assert started("diff").exit_code == 2


def test_another_file(command: Command, tmp_path: Path) -> None:
    """Two files are compared, and no server matters."""
    other = tmp_path / "old.toml"
    text = SITE.replace("tcp:2525", "tcp:25")
    for name in ("state", "cert.pem", "key.pem"):
        text = text.replace(f'"{name}"', f'"{command.file.parent / name}"')
    other.write_text(text)

    result = command("diff", str(other))

    assert result.output == 'Only a restart changes:\n  ~ listen.mx.endpoint = ["tcp:25"] -> ["tcp:2525"]\n'


def test_a_key_that_the_old_release_did_not_know(started: Command) -> None:
    """It is told only if it isn't as it would be anyway."""
    path = started.state_dir / NAME
    written = json.loads(path.read_text())
    del written["said"]["limits"]["idle"], written["said"]["server"]["hostname"], written["said"]["quarantine"]
    path.write_text(json.dumps(written))

    assert started("diff").output == 'Only a restart changes:\n  + server.hostname = "mail.example.org"\n'


def test_it_is_for_its_owner_only(started: Command) -> None:
    """What the site file says may be more than others should know."""
    assert (started.state_dir / NAME).stat().st_mode & 0o777 == 0o600
    found = read_in_use(started.state_dir)
    assert found is not None
    assert found.release == "1.0"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"release": "1", "said": 3, "plugins": {}}', '{"release": "1", "said": {}, "plugins": 5}']
)
def test_what_was_written_down_is_damaged(started: Command, text: str) -> None:
    """As where nothing was: exit status 2, and words."""
    (started.state_dir / NAME).write_text(text)

    result = started("diff")

    assert result.exit_code == 2
    assert "there is nothing to compare with" in result.output
