"""Programs that keep mail of an IMAP account in Maildirs: how they are run, and what they keep."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from interop_daemons import PATIENCE


def run(command: Sequence[str | Path], home: Path) -> str:
    """Run a program in `home` until it ends; return all that it prints."""
    done = _done(command, home, subprocess.STDOUT)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-3000:]
    return said


def run_for_octets(command: Sequence[str | Path], home: Path) -> bytes:
    """Run a program in `home` until it ends; return what it writes to its output."""
    done = _done(command, home, subprocess.PIPE)
    assert done.returncode == 0, (done.stderr.decode(errors="replace"), done.stdout[-3000:])
    return done.stdout


def _done(command: Sequence[str | Path], home: Path, stderr: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        timeout=PATIENCE,
        check=False,
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"},
    )


def settings(path: Path, text: str) -> Path:
    """Write a file that only its owner reads."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def maildir(path: Path) -> Path:
    """Make an empty Maildir."""
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    return path


def files(path: Path) -> dict[Path, bytes]:
    """Return what is in a Maildir and all below."""
    return {each: each.read_bytes() for each in sorted(path.rglob("*")) if each.parent.name in {"cur", "new"}}


def texts(path: Path) -> list[bytes]:
    """Return the messages of one Maildir with CRLF, in no order that means anything."""
    names = [*(path / "cur").iterdir(), *(path / "new").iterdir()]
    return sorted(as_sent(name.read_bytes()) for name in names)


def as_sent(stored: bytes) -> bytes:
    """Return a message as it is on the wire: Maildirs have LF."""
    return stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def file_of(path: Path, token: str) -> Path:
    """Return the file of the message whose subject is `token`, in one Maildir."""
    subject = f"\nSubject: {token}\n".encode()
    (found,) = [each for each in files(path) if subject in each.read_bytes()]
    return found


def flag(file: Path, flags: str) -> None:
    """Give a message of a Maildir these flags and no others, as mail readers do."""
    base = file.name.partition(":2,")[0]
    file.rename(file.parent.parent / "cur" / f"{base}:2,{flags}")
