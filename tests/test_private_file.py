"""Files that are written whole, for their owner alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twistedmail_mta.config.trial import open_trial
from twistedmail_mta.private_file import write_private


def test_for_its_owner_alone(tmp_path: Path) -> None:
    """The mode doesn't hang on that of the process, nor on what was there before; nothing else is left."""
    file = tmp_path / "key"
    file.write_bytes(b"an older one")
    file.chmod(0o644)

    before = os.umask(0)
    try:
        write_private(file, b"secret")
    finally:
        os.umask(before)

    assert file.read_bytes() == b"secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_mode_that_is_asked_for(tmp_path: Path) -> None:
    """Also where the process would have it narrower."""
    before = os.umask(0o077)
    try:
        write_private(tmp_path / "key", b"secret", 0o640)
    finally:
        os.umask(before)

    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["demo-password", "demo-password.new"])
def test_links_lead_nowhere(tmp_path: Path, name: str) -> None:
    """Whoever can put a link where a file or its draft goes has nothing else written; the link is gone."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"as it was")
    victim.chmod(0o644)
    file = tmp_path / "demo-password"
    (tmp_path / name).symlink_to(victim)

    write_private(file, b"secret")

    assert victim.read_bytes() == b"as it was"
    assert victim.stat().st_mode & 0o777 == 0o644
    assert not file.is_symlink()
    assert file.read_bytes() == b"secret"


def test_failure_leaves_what_was_there(tmp_path: Path) -> None:
    """A file that can't take its place leaves no draft of a secret behind."""
    place = tmp_path / "key"
    (place / "folder").mkdir(parents=True)

    with pytest.raises(OSError, match="key"):
        write_private(place, b"secret")

    assert [each.name for each in tmp_path.iterdir()] == ["key"]


def test_all_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The octets are synced before the name is theirs, and the name after that: a crash leaves no empty password."""
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def replaced(draft: Path, path: Path) -> Path:
        done.append(f"{draft.name} becomes {path.name}")
        return replace(draft, path)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    open_trial(tmp_path)

    assert done == ["demo-password.new", "demo-password.new becomes demo-password", tmp_path.name]
