"""`mta account export`, and what `mta account import` makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kept_site import USER, filled, in_database
from mta_command import SITE, Command

DOMAIN = '[domains."example.org"]\n'


@pytest.fixture
def full(command: Command, tmp_path: Path) -> Command:
    """Return a site with an account that has settings, aliases, keywords and a mailbox for a use of its own."""
    command.file.write_text(SITE + DOMAIN)
    filled(command, tmp_path)
    words = ("--send-as", "*@example.org", "--quota", "50MB", "--protocol", "imap")
    assert command("account", "set", USER, *words).exit_code == 0
    assert command("alias", "add", "info@example.org", USER, "bob@elsewhere.test").exit_code == 0
    in_database(command, "UPDATE mailbox SET name = 'Gesendet/Für \"alle\"' WHERE name = 'Sent' RETURNING id")
    in_database(command, "DELETE FROM mailbox WHERE name = 'Archive' RETURNING id")
    in_database(
        command, "INSERT INTO keyword SELECT id, 5, '$Important' FROM mailbox WHERE name = 'INBOX' RETURNING bit"
    )
    in_database(command, "UPDATE mail SET flags = flags | 32 WHERE uid IN (2, 4) RETURNING uid")
    in_database(command, "DELETE FROM subscription WHERE name = 'Junk' RETURNING name")
    return command


@pytest.fixture
def other(tmp_path: Path) -> Command:
    """Return another site for the same domain, with nothing in it."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "mta.toml").write_text(SITE + DOMAIN)
    for name in ("cert.pem", "key.pem"):
        (folder / name).write_bytes((tmp_path / name).read_bytes())
    return Command(folder / "mta.toml")


def test_an_account_moves_with_all_it_has(full: Command, other: Command, tmp_path: Path) -> None:
    """Settings, mailboxes with their uses, subscriptions, UIDs, flags and keywords; and it logs in as before."""
    assert full("account", "export", USER, str(tmp_path / "out"), "--with-password-hash").exit_code == 0

    result = other("account", "import", str(tmp_path / "out"))

    assert result.exit_code == 0, result.output
    assert "An alias led to it; add it with: mta alias add info@example.org ann@example.org bob@elsewhere.test" in (
        result.stderr.replace("bob@elsewhere.test ann@example.org", "ann@example.org bob@elsewhere.test")
    )
    settings = [{**each, "created_at": 0, "aliases": 0} for each in (full.json("account", "show", USER),)]
    assert [{**each, "created_at": 0, "aliases": 0} for each in (other.json("account", "show", USER),)] == settings
    for sql in (
        "SELECT name, uid_next, messages, special_use FROM mailbox ORDER BY name",
        "SELECT uid, flags & 31, size, internal_date FROM mail JOIN arrival USING (mailbox, uid) ORDER BY uid",
        "SELECT m.uid, k.name FROM mail m JOIN keyword k USING (mailbox) WHERE m.flags >> k.bit & 1 ORDER BY m.uid",
        "SELECT name FROM subscription ORDER BY name",
        "SELECT password_hash, scram_salt, scram_iterations, scram_stored_key, scram_server_key FROM accounts",
    ):
        assert in_database(other, sql) == in_database(full, sql), sql
    of_inbox = "SELECT uid_validity FROM mailbox WHERE name = 'INBOX'"
    assert in_database(other, of_inbox) == in_database(full, of_inbox)


def test_what_is_stored_of_a_password_isn_t_told(full: Command, other: Command, tmp_path: Path) -> None:
    """Unless that is wanted; then the account has none there until it gets one."""
    full("account", "export", USER, str(tmp_path / "out"))
    text = (tmp_path / "out" / "account.json").read_text()

    result = other("account", "import", str(tmp_path / "out"))

    assert json.loads(text)["password"] is None
    assert "argon2" not in text
    assert (tmp_path / "out" / "account.json").stat().st_mode & 0o777 == 0o600
    assert "It has no password yet: mta account password ann@example.org" in result.stderr
    assert in_database(other, "SELECT password_hash FROM accounts") == [(None,)]


def test_both_go_on_where_they_were(full: Command, other: Command, tmp_path: Path) -> None:
    """Repeated, neither writes a message twice, and an account that is there stays as it is."""
    for _ in range(2):
        assert full("account", "export", USER, str(tmp_path / "out")).exit_code == 0
        assert other("account", "import", str(tmp_path / "out")).exit_code == 0
    other("account", "set", USER, "--quota", "none")

    again = other("account", "import", str(tmp_path / "out"), "--json")

    assert sum(each["imported"] for each in json.loads(again.stdout)["mailboxes"]) == 0
    assert in_database(other, "SELECT count(*) FROM mail") == [(6,)]
    assert in_database(other, "SELECT quota FROM accounts") == [(0,)]
    assert "is there already and stays as it is" in again.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version: "),
        ({"form": "another"}, "form: "),
        ({"address": "nobody"}, "address: "),
        ({"protocols": ["ftp"]}, "protocols.0: "),
        ({"password": {"hash": "{NONE}x", "scram": None}}, "password.hash: "),
        ({"mailboxes": [{"name": ""}]}, "mailboxes.0.name: "),
        ({"quota": -1}, "quota: "),
    ],
)
def test_what_is_wrong_in_a_document_is_told(
    full: Command, other: Command, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    """With the place of it; and nothing is added."""
    full("account", "export", USER, str(tmp_path / "out"))
    file = tmp_path / "out" / "account.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))

    result = other("account", "import", str(tmp_path / "out"))

    assert result.exit_code == 1
    assert f"Error: {file}: {words}" in result.stderr
    assert other.json("account", "list") == []


def test_a_directory_without_an_account(command: Command, tmp_path: Path) -> None:
    """It is told what should be there."""
    (tmp_path / "empty").mkdir()

    assert "`mta account export` writes one" in command("account", "import", str(tmp_path / "empty")).stderr
    assert "there is no account joe@example.org" in str(
        command("account", "export", "joe@example.org", str(tmp_path / "out")).exception
    )
