"""Reading what belongs to others: with root's rights where they are needed, and nothing that isn't theirs."""

from __future__ import annotations

import errno
import os
import pwd
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from twistedmail_mta.store.owner import act_for_now_as_owner_of
from twistedmail_mta.transfer.tree import Directory

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def in_a_child(check: Callable[[], None]) -> None:
    """Run a check in a process of its own, which then isn't root's any more."""
    child = os.fork()
    if not child:
        status = 1
        try:
            check()
            status = 0
        except BaseException:  # noqa: BLE001 - the parent only hears of the status
            traceback.print_exc()
        os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@as_root
def test_root_reads_what_belongs_to_the_owner_of_its_directory(tmp_path: Path) -> None:
    """Though it acts as the owner of the state directory, who may read none of it."""
    ours, theirs = pwd.getpwnam("daemon"), pwd.getpwnam("nobody")
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", ours.pw_uid, ours.pw_gid)
    (tmp_path / "mail").mkdir(mode=0o700)
    for name in ("theirs", "roots"):
        (tmp_path / "mail" / name).write_bytes(b"text")
        (tmp_path / "mail" / name).chmod(0o600)
    for name in ("mail", "mail/theirs"):
        os.chown(tmp_path / name, theirs.pw_uid, theirs.pw_gid)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == 0 and len(path.parts) > 2:
            path.chmod(0o755)

    def check() -> None:
        access = act_for_now_as_owner_of(tmp_path / "state")
        assert os.geteuid() == ours.pw_uid
        mail = Directory(tmp_path / "mail", access=access)
        with mail.file("theirs") as file:
            assert file.read() == b"text"
        assert mail.modified_at("theirs")
        assert os.geteuid() == ours.pw_uid
        with pytest.raises(OSError, match="doesn't belong to the owner"):
            mail.file("roots")
        with pytest.raises(PermissionError):
            Directory(tmp_path / "mail")

    in_a_child(check)


def test_whoever_is_not_root_stays_who_he_is(tmp_path: Path) -> None:
    """And so does root where the state directory is root's own: files of others may be read as ever."""
    with act_for_now_as_owner_of(tmp_path)():
        assert os.geteuid() == tmp_path.stat().st_uid
    (tmp_path / "file").write_bytes(b"text")

    with Directory(tmp_path).file("file") as file:
        assert file.read() == b"text"


def test_errors_name_the_whole_path(tmp_path: Path) -> None:
    """Files are opened from their directory, which the system's message doesn't say."""
    (tmp_path / "link").symlink_to(tmp_path)

    with pytest.raises(OSError, match=str(tmp_path / "link")) as raised:
        Directory(tmp_path).below("link")

    assert raised.value.errno in {errno.ELOOP, errno.ENOTDIR}
