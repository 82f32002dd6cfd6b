"""The database of the commands, beside a running server and alone, and under the right user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from hand_reactor import HandReactor
from words_database import WORDS, Open, insert, words

from twistedmail_mta.store.owner import make_state_directory
from twistedmail_mta.store.sync import SyncDatabase

NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")


def test_beside_a_running_server(hand: HandReactor, open_words: Open, tmp_path: Path) -> None:
    """A command and the server see each other's rows at once."""
    database = open_words()
    hand.wait(database.write(insert("server")))
    with SyncDatabase(tmp_path / "words.db", migrations=WORDS) as command:
        assert command.read(words) == ["server"]
        assert command.write(insert("command")) == 2
        assert hand.wait(database.read(words)) == ["server", "command"]
    assert hand.wait(database.write(insert("on"))) == 3


def test_without_a_server(tmp_path: Path) -> None:
    """It makes the database as the server would, and closing leaves one whole file."""
    for text in ("one", "two"):
        with SyncDatabase(tmp_path / "words.db", migrations=WORDS) as command:
            command.write(insert(text))
    assert words(apsw.Connection(str(tmp_path / "words.db"))) == ["one", "two"]
    assert not (tmp_path / "words.db-wal").exists()


def test_an_exception_undoes_the_write(tmp_path: Path) -> None:
    """As with the server's database, what a function raises reaches the caller and nothing is kept."""
    with SyncDatabase(tmp_path / "words.db", migrations=WORDS) as command:
        command.write(insert("one"))
        with pytest.raises(apsw.ConstraintError):
            command.write(lambda transaction: [insert(text)(transaction) for text in ("two", "one")])
        with pytest.raises(apsw.ReadOnlyError):
            command.read(insert("three"))
        assert command.read(words) == ["one"]


def test_many_writes_keep_the_wal_small(tmp_path: Path) -> None:
    """Without a server's checkpoints a long import moves its rows to the database itself."""
    with SyncDatabase(tmp_path / "words.db", migrations=WORDS) as command:
        for number in range(60):
            command.write(insert(f"{number}" + "x" * 200_000))
        assert (tmp_path / "words.db-wal").stat().st_size < 8_000_000
        assert len(command.read(words)) == 60


def test_the_state_directory_is_private(tmp_path: Path) -> None:
    """It is made with its parents, for its owner only; one that exists is left alone."""
    state = tmp_path / "var" / "mta"
    make_state_directory(state)
    assert state.stat().st_mode & 0o777 == 0o700
    state.chmod(0o750)
    make_state_directory(state)
    assert state.stat().st_mode & 0o777 == 0o750


@as_root
def test_the_state_directory_belongs_to_the_user(tmp_path: Path) -> None:
    """Root makes it for the user that the server will be."""
    make_state_directory(tmp_path / "mta", "nobody")
    assert (tmp_path / "mta").stat().st_uid == NOBODY


@as_root
def test_root_acts_as_the_owner(tmp_path: Path) -> None:
    """A command run by root leaves no file of root's, and can't become root again."""
    state = tmp_path / "mta"
    make_state_directory(state, "nobody")
    for parent in tmp_path.parents:
        if parent.owner() == "root" and parent.stat().st_mode & 0o711 == 0o700:
            parent.chmod(0o711)
    tmp_path.chmod(0o711)
    program = """
import os, sys
from pathlib import Path
from twistedmail_mta.store.owner import act_as_owner_of
from twistedmail_mta.store.sync import SyncDatabase
state = Path(sys.argv[1])
act_as_owner_of(state)
with SyncDatabase(state / "mta.db", migrations=()) as database:
    database.write(lambda transaction: list(transaction.execute("CREATE TABLE word (text)")))
    owners = {path.stat().st_uid for path in state.iterdir()}
print(os.getresuid(), os.getresgid(), os.getgroups(), owners)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(state)], capture_output=True, text=True, check=False, timeout=60
    )
    nobody = (NOBODY, NOBODY, NOBODY)
    assert done.stdout.strip() == f"{nobody} {nobody} [{NOBODY}] {{{NOBODY}}}", done.stderr
