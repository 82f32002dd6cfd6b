"""`mta backup` and `mta restore` of a server that doesn't run."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from kept_site import LARGE, USER, bring, in_database
from mta_command import SITE, Command
from running_site import environment

from twistedmail_mta.keeping import backing_up
from twistedmail_mta.keeping.layout import Manifest, names
from twistedmail_mta.keeping.restoring import Restoring
from twistedmail_mta.keeping.sums import DamagedError
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase


def elsewhere(tmp_path: Path) -> Command:
    """Return another site, which has no state yet."""
    (tmp_path / "other").mkdir()
    for name in ("cert.pem", "key.pem"):
        (tmp_path / "other" / name).write_bytes((tmp_path / name).read_bytes())
    file = tmp_path / "other" / "mta.toml"
    file.write_text(SITE)
    return Command(file)


def mail_of(command: Command, folder: Path) -> dict[str, bytes]:
    """Return what an export of the account's mail has, by file."""
    assert command("mailbox", "export", USER, str(folder)).exit_code == 0
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def state_of(site: Command) -> list[str]:
    """Return what is in a state directory, but for the lock that every server and restore takes."""
    return sorted(path.name for path in site.state_dir.iterdir() if path.name != "server.lock")


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_kept_comes_back(site: Command, tmp_path: Path) -> None:
    """Mail with its UIDs, UIDVALIDITY, accounts and keys are there again, on another host, and nowhere else."""
    made = site.json("backup", str(tmp_path / "kept"))
    assert (made["copied"], made["known"], made["complete"]) == (3, 0, True)
    validity = in_database(site, "SELECT name, uid_validity, uid_next, modseq FROM mailbox ORDER BY id")

    other = elsewhere(tmp_path)
    result = other("restore", str(tmp_path / "kept"))

    assert result.exit_code == 0, result.output
    assert mail_of(other, tmp_path / "after") == mail_of(site, tmp_path / "before")
    assert in_database(other, "SELECT name, uid_validity, uid_next, modseq FROM mailbox ORDER BY id") == validity
    assert other.json("account", "list") == site.json("account", "list")
    key = other.state_dir / "acme" / "account.pem"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("a key", 0o600)
    assert other.state_dir.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in files_of(other.state_dir))


def test_the_files_of_the_site_are_in_it(site: Command, tmp_path: Path) -> None:
    """The site file and what it names, by their paths; code of plugins too."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "own.py").write_text("x = 1\n")
    (tmp_path / "aliases").write_text("postmaster: ann\n")
    text = site.file.read_text().replace('state_dir = "state"', 'state_dir = "state"', 1)
    site.file.write_text(f'plugin_path = ["code"]\n{text}[domains."example.org"]\naliases_file = "aliases"\n')

    made = site.json("backup", str(tmp_path / "kept"))

    kept = Path(made["path"]) / "site"
    below = {str(path.relative_to(kept)) for path in files_of(kept)}
    names_ = ("mta.toml", "cert.pem", "key.pem", "aliases", "code/own.py")
    assert below == {str(tmp_path / name).lstrip("/") for name in names_}
    assert (kept / str(tmp_path / "aliases").lstrip("/")).read_text() == "postmaster: ann\n"


def test_a_file_that_lacks_is_told(site: Command, tmp_path: Path) -> None:
    """All the rest is kept, and the exit status says so."""
    (tmp_path / "key.pem").unlink()

    result = site("backup", str(tmp_path / "kept"))

    assert result.exit_code == 1
    assert f"Left out: {tmp_path / 'key.pem'}: No such file or directory" in result.stderr
    assert len(names(tmp_path / "kept")) == 1


def test_bodies_are_copied_once(site: Command, tmp_path: Path) -> None:
    """The next backup takes what came since; both can be brought back by themselves."""
    site.json("backup", str(tmp_path / "kept"))
    bring(site, tmp_path, "c", 2, LARGE)
    second = site.json("backup", str(tmp_path / "kept"))

    assert (second["copied"], second["known"]) == (2, 3)
    first, last = names(tmp_path / "kept")
    for name, bodies in ((first, 3), (last, 5)):
        found = site.json("restore", str(tmp_path / "kept"), "--dry-run", "--backup", name)
        manifest = json.loads((tmp_path / "kept" / name / "backup.json").read_text())
        assert manifest["bodies"] == bodies
        assert found["files"] > bodies


def test_the_list_of_hashes_is_as_others_read_it(site: Command, tmp_path: Path) -> None:
    """`sha256sum -c` finds every file, and there is no file that isn't in the list but what tells of it."""
    made = site.json("backup", str(tmp_path / "kept"))
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=made["path"], capture_output=True, text=True, check=True
    )

    listed = {line.rpartition(": ")[0] for line in checked.stdout.splitlines()}
    there = {os.path.relpath(path, made["path"]) for path in files_of(tmp_path / "kept")}
    assert there - listed == {"SHA256SUMS", "backup.json"}


@pytest.mark.parametrize("place", ["mta.db", "state/acme/account.pem", "SHA256SUMS", "backup.json", "body", "site"])
def test_a_bit_that_flips_is_found(site: Command, tmp_path: Path, place: str) -> None:
    """Wherever it is; nothing is brought back then, and the state directory stays as empty as it was."""
    made = Path(site.json("backup", str(tmp_path / "kept"))["path"])
    path = {
        "body": files_of(tmp_path / "kept" / "bodies")[1],
        "site": made / "site" / str(site.file).lstrip("/"),
    }.get(place, made / place)
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)
    other = elsewhere(tmp_path)

    result = other("restore", str(tmp_path / "kept"))

    assert result.exit_code == 1
    assert "damaged" in str(result.exception) or "damaged" in result.output
    assert state_of(other) == []


@pytest.mark.parametrize("outside", ["state/{victim}", "../bodies/{victim}", "state/../{victim}", "state/./x", "x//y"])
def test_a_forged_backup_writes_nowhere_else(site: Command, tmp_path: Path, outside: str) -> None:
    """A list whose hashes are right may still name paths that lead out of the state directory."""
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    made = Path(site.json("backup", str(tmp_path / "kept"))["path"])
    forge(made, outside.format(victim=victim), b"forged")
    other = elsewhere(tmp_path)

    result = other("restore", str(tmp_path / "kept"))

    assert result.exit_code == 1
    assert "damaged: it names" in str(result.exception)
    assert victim.read_text() == "as it was"
    assert state_of(other) == []


def forge(made: Path, name: str, octets: bytes) -> None:
    """Add a file to a backup, as somebody would who can write there: all hashes are right."""
    start = made.parent / "bodies" if name.startswith("../bodies/") else made
    place = Path(f"{start}/{name.removeprefix('../bodies/')}")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(octets)
    sums = made / "SHA256SUMS"
    lines = [*sums.read_bytes().splitlines(keepends=True), f"{sha256(octets).hexdigest()}  {name}\n".encode()]
    sums.write_bytes(b"".join(sorted(lines, key=lambda line: line[66:])))
    say(made, sums=sha256(sums.read_bytes()).hexdigest())


def say(made: Path, **other: Any) -> None:
    """Let a backup say something else of itself, with a hash that is right."""
    said = json.loads((made / "backup.json").read_text())
    manifest = Manifest(**{key: value for key, value in said.items() if key != "check"})
    (made / "backup.json").write_bytes(replace(manifest, **other).text())


def test_a_forged_backup_makes_no_program(site: Command, tmp_path: Path) -> None:
    """What comes back acts as nobody but who starts it."""
    made = Path(site.json("backup", str(tmp_path / "kept"))["path"])
    say(made, modes={"state/acme/account.pem": 0o6755})
    other = elsewhere(tmp_path)

    assert other("restore", str(tmp_path / "kept")).exit_code == 0
    assert (other.state_dir / "acme" / "account.pem").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    "odd", [{"modes": ["x"]}, {"modes": {"mta.db": "x"}}, {"schema": "x"}, {"left_out": [1]}, {"octets": None}]
)
def test_a_manifest_that_says_nonsense(site: Command, tmp_path: Path, odd: dict[str, Any]) -> None:
    """It is damaged, whatever its hash says; to list such backups breaks nothing."""
    made = Path(site.json("backup", str(tmp_path / "kept"))["path"])
    say(made, **odd)

    result = elsewhere(tmp_path)("restore", str(tmp_path / "kept"))

    assert isinstance(result.exception, DamagedError)
    (listed,) = site.json("backup", "--list", str(tmp_path / "kept"))
    assert listed["state"] == "damaged"


def test_a_site_file_that_names_the_folder_above(site: Command, tmp_path: Path) -> None:
    """A path with ".." in it, or one that is named in two ways, makes no backup that can't be restored."""
    folder = tmp_path / "below"
    folder.mkdir()
    text = site.file.read_text().replace('"cert.pem"', '"../cert.pem"').replace('"key.pem"', '"../key.pem"')
    text += f'[tls.names."other.example.org"]\ncertificate = "{tmp_path}/cert.pem"\nkey = "{tmp_path}/key.pem"\n'
    moved = Command(folder / "mta.toml")
    moved.file.write_text(text.replace('state_dir = "state"', f'state_dir = "{site.state_dir}"'))

    made = Path(moved.json("backup", str(tmp_path / "kept"))["path"])

    assert (made / "site" / str(tmp_path / "cert.pem").lstrip("/")).is_file()
    assert elsewhere(tmp_path)("restore", str(tmp_path / "kept")).exit_code == 0


def test_a_damaged_copy_is_mended(site: Command, tmp_path: Path) -> None:
    """With --reread a body that isn't what it was is copied again, and all backups have it whole."""
    site.json("backup", str(tmp_path / "kept"))
    body = files_of(tmp_path / "kept" / "bodies")[0]
    octets = bytearray(body.read_bytes())
    octets[1000] ^= 1
    body.write_bytes(octets)
    assert site("restore", str(tmp_path / "kept"), "--dry-run").exit_code == 1

    again = site.json("backup", str(tmp_path / "kept"), "--reread")

    assert (again["copied"], again["known"]) == (1, 2)
    for name in names(tmp_path / "kept"):
        assert site("restore", str(tmp_path / "kept"), "--dry-run", "--backup", name).exit_code == 0


def test_old_ones_go_with_the_bodies_that_nobody_else_has(site: Command, tmp_path: Path) -> None:
    """Those of the backups that stay are all there."""
    site.json("backup", str(tmp_path / "kept"))
    in_database(site, f"DELETE FROM mail WHERE uid <= 2 RETURNING {USER!r}")
    in_database(site, "DELETE FROM content WHERE id NOT IN (SELECT content FROM mail) RETURNING id")
    in_database(site, "DELETE FROM body WHERE id NOT IN (SELECT body FROM content) RETURNING id")
    bring(site, tmp_path, "c", 1, LARGE)
    made = site.json("backup", str(tmp_path / "kept"), "--keep", "1")

    first = made["removed"]
    assert len(first) == 1
    assert names(tmp_path / "kept") == [Path(made["path"]).name]
    left = in_database(site, "SELECT file FROM body WHERE file IS NOT NULL ORDER BY file")
    assert [str(path.relative_to(tmp_path / "kept" / "bodies")) for path in files_of(tmp_path / "kept" / "bodies")] == [
        name for (name,) in left
    ]
    assert len(left) < 4
    assert site("restore", str(tmp_path / "kept"), "--dry-run").exit_code == 0


def test_nothing_goes_while_one_that_stays_is_damaged(site: Command, tmp_path: Path) -> None:
    """Nobody knows then which bodies it needs; the new backup is made, told, and the reason too."""
    for _ in range(2):
        site.json("backup", str(tmp_path / "kept"))
    second = names(tmp_path / "kept")[1]
    (tmp_path / "kept" / second / "SHA256SUMS").write_text("nothing\n")

    result = site("backup", str(tmp_path / "kept"), "--keep", "2")

    assert result.exit_code == 1
    assert "No older backup was removed: " in result.stderr
    assert len(names(tmp_path / "kept")) == 3
    assert "damaged" in site("backup", "--list", str(tmp_path / "kept")).stdout


def test_a_removal_that_broke_off_is_gone_on_with(site: Command, tmp_path: Path) -> None:
    """What is left of a backup that is none any more goes with the next; nothing else is left behind."""
    for _ in range(3):
        site.json("backup", str(tmp_path / "kept"))
    first, second, third = names(tmp_path / "kept")
    (tmp_path / "kept" / first / "backup.json").unlink()

    made = site.json("backup", str(tmp_path / "kept"), "--keep", "2")

    assert made["removed"] == [second]
    left = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert left == [third, Path(made["path"]).name, "bodies"]
    site.json("backup", str(tmp_path / "kept"), "--keep", "9")
    assert not (tmp_path / "kept" / "unfinished").exists()


def test_a_missing_body_is_told_and_no_older_backup_goes(site: Command, tmp_path: Path) -> None:
    """The older one has what is lost here."""
    site.json("backup", str(tmp_path / "kept"))
    lost = files_of(site.state_dir / "bodies")[0]
    (tmp_path / "kept" / "bodies" / lost.relative_to(site.state_dir / "bodies")).unlink()
    lost.unlink()

    result = site("backup", str(tmp_path / "kept"), "--keep", "1")

    assert result.exit_code == 1
    assert f"Left out: bodies/{lost.relative_to(site.state_dir / 'bodies')}: No such file or directory" in result.stderr
    assert len(names(tmp_path / "kept")) == 2
    states = [each["state"] for each in site.json("backup", "--list", str(tmp_path / "kept"))]
    assert states == ["complete", "something was left out"]


def test_what_broke_off_is_no_backup_and_is_gone_on_with(
    site: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies that were copied are there; nothing else counts."""
    with monkeypatch.context() as patch:
        patch.setattr(backing_up, "_state_files", lambda _: 1 // 0)
        assert isinstance(site("backup", str(tmp_path / "kept")).exception, ZeroDivisionError)
    assert names(tmp_path / "kept") == []
    assert site("restore", str(tmp_path / "kept"), "--dry-run").exit_code == 1

    made = site.json("backup", str(tmp_path / "kept"))

    assert (made["copied"], made["known"]) == (0, 3)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [Path(made["path"]).name, "bodies"]
    assert site("restore", str(tmp_path / "kept"), "--dry-run").exit_code == 0


def test_a_state_directory_that_isn_t_empty(site: Command, tmp_path: Path) -> None:
    """It is refused; with --force all that was there is moved aside, and stays out of the next backup."""
    site.json("backup", str(tmp_path / "kept"))
    in_database(site, "UPDATE accounts SET enabled = 0 RETURNING id")
    before = set(state_of(site))

    refused = site("restore", str(tmp_path / "kept"))
    assert refused.exit_code == 1
    assert set(state_of(site)) == before

    done = site.json("restore", str(tmp_path / "kept"), "--force")

    aside = Path(done["aside"])
    assert before <= {path.name for path in aside.iterdir()}
    assert [each["enabled"] for each in site.json("account", "list")] == [True]
    with SyncDatabase(aside / DATABASE_NAME) as database:
        assert database.read(lambda tx: list(tx.execute("SELECT enabled FROM accounts"))) == [(0,)]
    again = Path(site.json("backup", str(tmp_path / "kept"))["path"])
    assert not [path for path in files_of(again) if "before-" in str(path)]


def test_a_restore_that_broke_off_is_begun_anew(site: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is in place no server finds a database; after some is, the database is what lacks."""
    site.json("backup", str(tmp_path / "kept"))
    other = elsewhere(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Restoring, "_put_in_place", lambda _: 1 // 0)
        assert isinstance(other("restore", str(tmp_path / "kept")).exception, ZeroDivisionError)
    assert state_of(other) == [".restoring"]

    assert other("restore", str(tmp_path / "kept")).exit_code == 0
    (other.state_dir / ".restoring").mkdir()
    (other.state_dir / DATABASE_NAME).rename(other.state_dir / ".restoring" / DATABASE_NAME)
    assert other("restore", str(tmp_path / "kept")).exit_code == 1
    assert other("restore", str(tmp_path / "kept"), "--force").exit_code == 0

    assert mail_of(other, tmp_path / "after") == mail_of(site, tmp_path / "before")
    assert not (other.state_dir / ".restoring").exists()


@pytest.mark.parametrize(("option", "state"), [("--hold-queue", "held"), ("--send-queue", "waiting")])
def test_the_queue_waits_unless_it_is_said(site: Command, tmp_path: Path, option: str, state: str) -> None:
    """What was delivered since would be sent twice; and whoever had claims on it is dead."""
    in_database(
        site, "INSERT INTO owner (boot, process, heartbeat, lease_until) VALUES ('b', 1, 5e9, 1e12) RETURNING 1"
    )
    in_database(
        site,
        "INSERT INTO recipient (message, n, local, domain, due, since, epoch)"
        " VALUES (7, 0, 'joe', 'other.test', 0.0, 0.0, 1) RETURNING 1",
    )
    site.json("backup", str(tmp_path / "kept"))
    other = elsewhere(tmp_path)

    done = other.json("restore", str(tmp_path / "kept"), option)

    assert in_database(other, "SELECT state FROM recipient") == [(state,)]
    assert in_database(other, "SELECT count(*) FROM owner WHERE lease_until >= 0.0") == [(0,)]
    assert (done["held"], done["waiting"]) == ((1, 0) if state == "held" else (0, 1))


def test_a_newer_release_s_backup_is_refused(site: Command, tmp_path: Path) -> None:
    """Before anything is touched."""
    connection = apsw.Connection(str(site.state_dir / DATABASE_NAME))
    connection.pragma("user_version", 9999)
    connection.close()
    site.json("backup", str(tmp_path / "kept"))
    other = elsewhere(tmp_path)

    result = other("restore", str(tmp_path / "kept"))

    assert result.exit_code == 1
    assert "has schema version 9999, but this release knows only" in str(result.exception)
    assert state_of(other) == []


def test_where_backups_can_t_be(site: Command, tmp_path: Path) -> None:
    """In the state directory itself; and there is nothing to list elsewhere."""
    assert site("backup", str(site.state_dir / "kept")).exit_code == 2
    assert (
        site("backup", "--list", str(tmp_path / "nowhere")).stdout == f"There is no backup in {tmp_path / 'nowhere'}.\n"
    )
    assert site("restore", str(tmp_path)).output == f"Error: there is no backup in {tmp_path}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as somebody else")
def test_root_reads_as_the_owner_and_writes_as_root(site: Command) -> None:
    """A link that the owner lays in the state directory leads to nothing; what comes back is the owner's."""
    nobody = pwd.getpwnam("nobody")
    with TemporaryDirectory() as folder:
        there = Path(folder)
        there.chmod(0o711)
        (there / "secret").write_text("not theirs")
        (there / "secret").chmod(0o600)
        shutil.copytree(site.file.parent, there / "site", copy_function=shutil.copy2)
        own = Command(there / "site" / "mta.toml")
        (own.state_dir / "acme" / "link").symlink_to(there / "secret")
        for path in [own.state_dir, *own.state_dir.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
        own.file.parent.chmod(0o711)
        (there / "kept").mkdir(mode=0o700)

        kept = program(own, "backup", str(there / "kept"))
        back = program(own, "restore", str(there / "kept"), "--force")

        assert (kept.returncode, back.returncode) == (0, 0), kept.stderr + back.stderr
        made = files_of(there / "kept")
        assert {path.stat().st_uid for path in made} == {0}
        assert not [path for path in made if b"not theirs" in path.read_bytes()]
        assert {path.stat().st_uid for path in files_of(own.state_dir) if not path.is_symlink()} == {nobody.pw_uid}


def program(site: Command, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, since it becomes somebody else."""
    # The interpreter may be root's alone: what it loads later has to be loaded before.
    code = (
        "import encodings.ascii, encodings.idna, importlib.readers; from twistedmail_mta.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, "--config", str(site.file), *words]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
