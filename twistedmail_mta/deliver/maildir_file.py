"""One message on its way into a Maildir: where that is, and the steps that run on the I/O threads."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from twistedmail_mta.model import CRLF, Address, id_text

_DIRECTORIES: Final = ("tmp", "new", "cur")
_LONGEST_NAME: Final = 200
"""Octets of a name that a file system takes surely, with room for what is put before it."""
_UNFIT: Final = re.compile(r"[/\x00-\x1f\x7f]|^\.|^$")
_PLACEHOLDER: Final = re.compile(r"\{(local|domain)\}")


def place(template: str, address: Address) -> Path | None:
    """Return the Maildir of an address; None where its name can't be part of a path.

    Neither a slash, nor a dot at its begin, nor a control character may come
    from an address: whatever strangers write at RCPT, it leads nowhere else.

    Args:
        template: an absolute path, in which {local} and {domain} stand for the address's parts.
        address: whose; its local part counts in lower case.
    """
    local = unicodedata.normalize("NFC", address.local).lower()
    values = {"local": local, "domain": address.domain.lower()}
    used = {found[1] for found in _PLACEHOLDER.finditer(template)}
    if any(_UNFIT.search(values[name]) or len(values[name].encode()) > _LONGEST_NAME for name in used):
        return None
    return Path(_PLACEHOLDER.sub(lambda found: values[found[1]], template))


def fixed_part(template: str) -> Path:
    """Return the directory above the first that depends on the address."""
    return Path(template.partition("{")[0].rpartition("/")[0] or "/")


def file_name(message_id: int, received_at: float, address: Address, host: str) -> str:
    """Return the unique name of a message: the same whenever it is delivered to that address again."""
    whom = blake2b(str(address).lower().encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    safe = host.replace("/", r"\057").replace(":", r"\072")
    return f"{int(received_at)}.M{id_text(message_id)}R{whom}.{safe}"


class MaildirFile:
    """A message that is written to tmp, and moved to new when it is complete.

    Every step blocks and may raise OSError; then `abandon` is called.
    """

    def __init__(self, maildir: Path, name: str) -> None:
        """Name the file; nothing is done yet."""
        self._maildir = maildir
        self._name = name
        self._descriptor = -1
        self._held = b""
        self._size = 0

    def begin(self, *, look_in_cur: bool) -> bool:
        """Open the file in tmp, making the Maildir if its parent is there; False when the message is there already.

        Args:
            look_in_cur: a reader may have moved it: look there too, which takes as long as that is large.
        """
        _make(self._maildir)
        if self._is_there(look_in_cur=look_in_cur):
            return False
        path = self._maildir / "tmp" / self._name
        with suppress(FileNotFoundError):
            path.unlink()  # of a delivery that ended half-way
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _give(self._descriptor, self._maildir)
        return True

    def add(self, block: bytes) -> None:
        """Write octets, their line ends as LF; blocks may be cut anywhere."""
        block = self._held + block
        self._held = b"\r" if block.endswith(b"\r") else b""
        self._write(block[: len(block) - len(self._held)].replace(CRLF, b"\n"))

    def finish(self) -> None:
        """Let readers see the message; it is on disk when this returns."""
        self._write(self._held)
        os.fsync(self._descriptor)
        self._close()
        new = self._maildir / "new" / f"{self._name},S={self._size}"
        (self._maildir / "tmp" / self._name).rename(new)
        try:
            _sync(new.parent)
        except OSError:
            new.unlink()
            raise

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._descriptor >= 0:
            self._close()
            with suppress(OSError):
                (self._maildir / "tmp" / self._name).unlink()

    def _write(self, octets: bytes) -> None:
        left = memoryview(octets)
        self._size += len(left)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def _is_there(self, *, look_in_cur: bool) -> bool:
        return any(
            entry.name.startswith(self._name)
            for directory in (("new", "cur") if look_in_cur else ())
            for entry in os.scandir(self._maildir / directory)
        )


def _make(maildir: Path) -> None:
    """Make a Maildir unless it is there, with the permissions of its parent.

    Raises:
        FileNotFoundError: there is no parent.
    """
    if (maildir / "new").is_dir():
        return
    for path in (maildir, *(maildir / name for name in _DIRECTORIES)):
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _give(descriptor, path.parent)
            finally:
                os.close(descriptor)
        _sync(path.parent)


def _give(descriptor: int, above: Path) -> None:
    """Give something new the owner and permissions of the directory above it, as far as we may."""
    model = above.stat()
    is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    os.fchmod(descriptor, stat.S_IMODE(model.st_mode) & (0o2777 if is_directory else 0o666) | 0o600)
    with suppress(PermissionError):
        os.fchown(descriptor, model.st_uid if os.geteuid() == 0 else -1, model.st_gid)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
