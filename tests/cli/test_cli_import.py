"""`mta import`: what it writes, what it leaves alone, what it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mta_command import CHECK, Command

from twistedmail_mta.cli.main import mta

MAIN = """\
compatibility_level = 3.6
myhostname = mail.example.org
mydestination =
virtual_mailbox_domains = example.org
virtual_mailbox_maps = hash:{folder}/vmailbox
virtual_alias_maps = hash:{folder}/virtual
relayhost = [192.0.2.7]:587
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:{folder}/sasl
unheard_of = 1
"""
DEBIAN = Path("/usr/share/postfix/main.cf.debian"), Path("/etc/postfix/master.cf")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a Postfix, and a Dovecot in it that knows a password."""
    folder = tmp_path / "postfix"
    folder.mkdir()
    (folder / "main.cf").write_text(MAIN.format(folder=folder))
    (folder / "master.cf").write_text("smtp inet n - y - - smtpd\n")
    (folder / "vmailbox").write_text("ann@example.org example.org/ann/\n")
    (folder / "virtual").write_text("info@example.org ann@example.org\n")
    (folder / "sasl").write_text("[192.0.2.7]:587 me:hidden\n")
    (folder / "dovecot.conf").write_text(f"passdb {{\n driver = passwd-file\n args = {folder}/users\n}}\n")
    (folder / "users").write_text("ann@example.org:{PLAIN}secret::::::userdb_quota_rule=*:storage=5M\n")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(mta, ["import", *map(str, arguments)])


def test_everything_is_there(source: Path, tmp_path: Path) -> None:
    """A site that can be used, with accounts, quotas and aliases; the secret only in a file of its own."""
    result = run("postfix", source, "--dovecot", source, "--dir", tmp_path / "new")

    assert result.exit_code == 1, result.output  # one setting can't be mapped
    assert "hidden" not in result.output
    command = Command(tmp_path / "new" / "mta.toml")
    assert [(each["address"], each["quota"]) for each in command.json("account", "list")] == [
        ("ann@example.org", 5 << 20)
    ]
    assert [each["address"] for each in command.json("alias", "list")] == ["info@example.org"]
    (secret,) = (tmp_path / "new").glob("password-*")
    assert secret.read_text() == "hidden\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert [each for each in command.json(*CHECK)["findings"] if each["level"] == "error"] == []


def test_nothing_is_written_over(source: Path, tmp_path: Path) -> None:
    """The second time everything stays, what was changed since as well."""
    run("postfix", source, "--dir", tmp_path / "new")
    file = tmp_path / "new" / "mta.toml"
    file.write_text(file.read_text() + "# mine\n")

    result = run("postfix", source, "--dir", tmp_path / "new", "--json")

    assert file.read_text().endswith("# mine\n")
    said = json.loads(result.stdout)
    assert said["was_there"]
    assert (said["accounts"]["imported"], said["accounts"]["there"]) == (0, 1)


def test_dry_run(source: Path, tmp_path: Path) -> None:
    """Nothing is made; the site file and each setting are shown, with file and line."""
    result = run("postfix", source, "--dir", tmp_path / "new", "--dry-run")

    assert not (tmp_path / "new").exists()
    assert '[domains."example.org"]' in result.output
    assert f"{source}/main.cf:10" in result.output
    assert "unheard_of = 1" in result.output
    assert "hidden" not in result.output


def test_as_json(source: Path, tmp_path: Path) -> None:
    """Each setting is an object, with its place, what became of it, and what to do."""
    said = json.loads(run("postfix", source, "--dir", tmp_path / "new", "--dry-run", "--json").stdout)

    (found,) = [each for each in said["findings"] if each["setting"] == "unheard_of"]
    assert (found["file"], found["line"], found["outcome"]) == (f"{source}/main.cf", 10, "unmapped")
    assert found["advice"]
    assert said["accounts"]["without_password"] == ["ann@example.org"]
    assert any("mta --config" in command and "mailbox import" in command for command in said["commands"])


def test_status_when_all_is_mapped(source: Path, tmp_path: Path) -> None:
    """Exit status 0: nobody has to look at anything."""
    main = source / "main.cf"
    main.write_text(main.read_text().replace("unheard_of = 1\n", ""))

    result = run("postfix", source, "--dir", tmp_path / "new")

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("kind", ["postfix", "dovecot"])
def test_no_configuration(kind: str, tmp_path: Path) -> None:
    """A folder without one is an error in words."""
    result = run(kind, tmp_path, "--dir", tmp_path / "new")

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "No such file" in result.output


def test_no_dump(tmp_path: Path) -> None:
    """A file that is no dump is an error in words."""
    (tmp_path / "x.sql").write_text("SELECT 1;\n")

    result = run("hmailserver", tmp_path / "x.sql", "--dir", tmp_path / "new")

    assert result.exit_code == 1
    assert "no table of hMailServer" in result.output


@pytest.mark.skipif(
    not all(each.exists() for each in DEBIAN), reason="not installed: Postfix (tests/interop/install-peers.sh)"
)
def test_debian(tmp_path: Path) -> None:
    """Debian's own configurations of Postfix and Dovecot make a site that can be used; every line is known."""
    folder = tmp_path / "postfix"
    folder.mkdir()
    shutil.copy(DEBIAN[0], folder / "main.cf")
    shutil.copy(DEBIAN[1], folder / "master.cf")
    beside = ("--dovecot", "/etc/dovecot") if Path("/etc/dovecot/dovecot.conf").exists() else ()

    result = run("postfix", folder, *beside, "--dir", tmp_path / "new", "--hostname", "mail.example.org", "--json")

    said = json.loads(result.stdout)
    left = {each["setting"] for each in said["findings"] if each["outcome"] == "unmapped"}
    assert left <= {"local_recipient_maps", "passdb pam", "userdb passwd"}
    checked = json.loads(Command(tmp_path / "new" / "mta.toml")(*CHECK, "--json").stdout)
    errors = [each["path"] for each in checked["findings"] if each["level"] == "error"]
    assert [path for path in errors if not path.startswith(("tls", "checker"))] == []
