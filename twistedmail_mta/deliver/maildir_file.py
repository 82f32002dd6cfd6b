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

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
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

    Every step blocks and may raise OSError; `close` ends it in any case.  The
    Maildir's owner can't lead it elsewhere by links in the place of directories.
    """

    def __init__(self, maildir: Path, name: str) -> None:
        """Name the file; nothing is done yet."""
        self._maildir = maildir
        self._name = name
        self._directories: dict[str, int] = {}
        self._descriptor = -1
        self._held = b""
        self._size = 0

    def begin(self, *, look_in_cur: bool) -> bool:
        """Open the file in tmp, making the Maildir if its parent is there; False when the message is there already.

        Args:
            look_in_cur: another process may have delivered it, and its reader have moved it: look for it, which takes
                as long as the Maildir is large.
        """
        _make(self._maildir)
        for name in _DIRECTORIES:
            self._directories[name] = os.open(self._maildir / name, _DIRECTORY)
        if look_in_cur and self._is_there():
            return False
        tmp = self._directories["tmp"]
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=tmp)  # of a delivery that ended half-way
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._name, flags, 0o600, dir_fd=tmp)
        _give(self._descriptor, os.fstat(tmp))
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
        tmp, new, name = self._directories["tmp"], self._directories["new"], f"{self._name},S={self._size}"
        os.rename(self._name, name, src_dir_fd=tmp, dst_dir_fd=new)
        try:
            _sync(new)
        except OSError:
            os.unlink(name, dir_fd=new)
            raise

    def close(self) -> None:
        """Close everything; of a message that isn't complete nothing is left behind."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._directories["tmp"])
        for descriptor in self._directories.values():
            os.close(descriptor)
        self._descriptor, self._directories = -1, {}

    def _write(self, octets: bytes) -> None:
        left = memoryview(octets)
        self._size += len(left)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _is_there(self) -> bool:
        for place in ("new", "cur"):
            with os.scandir(self._directories[place]) as entries:
                if any(entry.name.startswith(self._name) for entry in entries):
                    return True
        return False


def _make(maildir: Path) -> None:
    """Make a Maildir unless it is there, with the permissions of its parent.

    Raises:
        FileNotFoundError: there is no parent.
    """
    if (maildir / _DIRECTORIES[-1]).is_dir():  # the last that is made: another thread may be at it
        return
    for path in (maildir, *(maildir / name for name in _DIRECTORIES)):
        above = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(FileExistsError):
                os.mkdir(path.name, 0o700, dir_fd=above)
                _give_directory(path.name, above)
            _sync(above)
        finally:
            os.close(above)


def _give_directory(name: str, above: int) -> None:
    descriptor = os.open(name, _DIRECTORY, dir_fd=above)
    try:
        _give(descriptor, os.fstat(above))
    finally:
        os.close(descriptor)


def _give(descriptor: int, model: os.stat_result) -> None:
    """Give something new the owner and permissions of the directory it is in, as far as we may."""
    is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    os.fchmod(descriptor, stat.S_IMODE(model.st_mode) & (0o2777 if is_directory else 0o666) | 0o600)
    with suppress(PermissionError):
        os.fchown(descriptor, model.st_uid if os.geteuid() == 0 else -1, model.st_gid)


def _sync(directory: int) -> None:
    os.fsync(directory)
