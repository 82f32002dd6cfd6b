"""`mta mailbox`: what it prints, and what its exit status says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mta_command import Command

from twistedmail_mta.control.client import RefusedError

USER = "ann@example.org"
TEXT = b"Subject: hello\n\nline\n"


@pytest.fixture
def maildir(command: Command, tmp_path: Path) -> Path:
    """Return a Maildir with a message in INBOX and one in Sent; there is an account."""
    assert command("account", "add", USER, "--password-stdin", stdin="secret\n").exit_code == 0
    for name in ("", ".Sent"):
        for below in ("cur", "new", "tmp"):
            (tmp_path / "Maildir" / name / below).mkdir(parents=True)
        (tmp_path / "Maildir" / name / "cur" / "1.h:2,S").write_bytes(TEXT)
    return tmp_path / "Maildir"


def test_import_tells_what_it_found_and_what_is_there(command: Command, maildir: Path) -> None:
    """And when it is repeated, that all of it was there before."""
    first = command("mailbox", "import", USER, str(maildir))
    again = command("mailbox", "import", USER, str(maildir))

    assert first.exit_code == again.exit_code == 0
    assert [line.split() for line in first.stdout.splitlines()] == [
        ["Mailbox", "Found", "Imported", "Before", "There", "now"],
        ["INBOX", "1", "1", "0", "1"],
        ["Sent", "1", "1", "0", "1"],
    ]
    assert first.stderr == "INBOX: 1 messages\nSent: 1 messages\n"
    assert again.stdout.splitlines()[1].split() == ["INBOX", "1", "0", "1", "1"]


def test_a_running_server_is_told_of_each_mailbox(
    command: Command, maildir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the MODSEQ that it should read up to; one that refuses, or isn't there, is left alone."""
    told: list[tuple[object, ...]] = []
    answers: list[object] = [{}, {}, {}, {}, {}, {}, None, RefusedError("busy")]

    def tell(state_dir: Path, name: str, arguments: dict[str, int]) -> object:
        told.append((state_dir, name, arguments["mailbox"], arguments["sequence"]))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("twistedmail_mta.cli.transferring.tell", tell)
    for _ in range(3):
        assert command("mailbox", "import", USER, str(maildir)).exit_code == 0

    changed = [sequence for *_, sequence in told[:6]]
    assert sorted(changed) == [1, 1, 1, 1, 2, 2]
    assert {each[:2] for each in told} == {(command.state_dir, "mailbox.changed")}
    assert len(told) == 8


def test_import_that_left_something_out_fails(command: Command, maildir: Path) -> None:
    """Every reason is told, and the rest is there all the same."""
    (maildir / "cur" / "2.h:2,").symlink_to("/etc/passwd")

    result = command("mailbox", "import", USER, str(maildir))

    assert result.exit_code == 1
    assert f"INBOX: {maildir}/cur/2.h:2,: not a regular file\n" in result.stderr
    assert result.stdout.splitlines()[1].split() == ["INBOX", "1", "1", "0", "1"]


def test_list_and_export(command: Command, maildir: Path, tmp_path: Path) -> None:
    """What was brought is listed; a chosen mailbox is written as mbox."""
    command("mailbox", "import", USER, str(maildir))

    listed = {each["name"]: each for each in command.json("mailbox", "list", USER)}
    done = command.json("mailbox", "export", USER, str(tmp_path / "out"), "--format", "mbox", "--mailbox", "Sent")

    assert listed["Sent"]["messages"] == 1
    assert listed["Sent"]["octets"] == len(TEXT.replace(b"\n", b"\r\n"))
    assert [(each["name"], each["found"], each["present"]) for each in done["mailboxes"]] == [("Sent", 1, 1)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Sent.mbox"]


@pytest.mark.parametrize("form", ["mbox", "maildir"])
def test_an_export_is_for_its_owner_alone(command: Command, maildir: Path, tmp_path: Path, form: str) -> None:
    """Also in a directory that is open to all, and over what a link, or an export that broke off, left there."""
    command("mailbox", "import", USER, str(maildir))
    out, victim = tmp_path / "out", tmp_path / "victim"
    victim.write_text("as it was")
    for folder in (out, out / "tmp", out / "new", out / "cur"):
        folder.mkdir()
    for name in ("INBOX.mbox.tmp", "dovecot-uidlist.tmp"):
        (out / name).symlink_to(victim)
    before = os.umask(0)
    try:
        assert command("mailbox", "export", USER, str(out), "--format", form).exit_code == 0
    finally:
        os.umask(before)

    written = [path for path in out.rglob("*") if path.is_file() and path.stat().st_size and not path.is_symlink()]
    assert [path for path in written if b"Subject: hello" in path.read_bytes()]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert victim.read_text() == "as it was"


def test_import_of_what_is_no_file(command: Command, maildir: Path, tmp_path: Path) -> None:
    """Nobody waits at a pipe; it is named in words."""
    os.mkfifo(tmp_path / "pipe")

    result = command("mailbox", "import", USER, str(tmp_path / "pipe"))

    assert result.exit_code == 1
    assert f"Left out: {tmp_path / 'pipe'}: not a regular file\n" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "nobody@example.org"), "there is no account nobody@example.org"),
        (("import", USER, "."), "no Maildir, and there is no mbox in it"),
        (("export", USER, "out", "--mailbox", "x"), "there is no mailbox x"),
        (("import", USER, ".", "--uidl", "%q"), "must be"),
        (("import", USER, ".", "--into", "a//b"), "a level of the name is empty"),
        (("import", USER, ".", "--into", "Old"), "--into is for one mbox file"),
    ],
)
def test_mistakes(  # noqa: PLR0917 - fixtures
    command: Command,
    maildir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    """Told in words, before anything is done."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")

    result = command("mailbox", *arguments)

    assert result.exit_code != 0
    assert said in result.output
