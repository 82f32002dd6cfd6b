"""Who owns the state directory, and acting as that user."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from twistedmail_mta.private_file import AS_IT_IS, write_private

Access = Callable[[], AbstractContextManager[None]]
"""A context in which files may be opened that else may not."""


def make_state_directory(path: Path, user: str | None = None) -> None:
    """Make the directory, for its owner only, unless it exists.

    Args:
        path: the directory; its parents are made too.
        user: whose it is to be, when root makes it; None for root's own.

    Raises:
        OSError: it can't be made.
        KeyError: there is no such user.
    """
    if path.is_dir():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    if user is not None and os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def kept_secret(path: Path, size: int) -> bytes:
    """Return a secret of the state directory; it is made when it is wanted first, for the directory's owner alone.

    Args:
        path: its file.
        size: octets that it has.

    Raises:
        OSError: it can't be read or made, or is of another size.
    """
    if not path.exists():
        folder = path.parent.stat()
        write_private(path, os.urandom(size), owner=(folder.st_uid, folder.st_gid) if os.geteuid() == 0 else AS_IT_IS)
    secret = path.read_bytes()
    if len(secret) != size:
        raise OSError(f"{path} doesn't hold a secret of {size} octets; delete it to get a new one")
    return secret


def act_as_owner_of(path: Path) -> None:
    """Become the owner of `path` for good, if this process is root's; else do nothing.

    A file that root left in the state directory, such as a new WAL, would stop
    the server: so operators' commands call this before they open anything there.

    Raises:
        FileNotFoundError: there is no such path.
    """
    if os.geteuid() != 0:
        return
    status = path.stat()
    if status.st_uid == 0:
        return
    _set_groups(status.st_uid, status.st_gid)
    os.setgid(status.st_gid)
    os.setuid(status.st_uid)


def act_for_now_as_owner_of(path: Path) -> Access:
    """Become the owner of `path` as `act_as_owner_of` does, but not for good.

    Returns:
        A context in which root's process is root's again: to open what the
        owner may not, and nothing else.

    Raises:
        FileNotFoundError: there is no such path.
    """
    status = path.stat()
    if os.geteuid() != 0 or status.st_uid == 0:
        return nullcontext
    _set_groups(status.st_uid, status.st_gid)
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)

    @contextmanager
    def as_root() -> Iterator[None]:
        os.seteuid(0)
        try:
            yield
        finally:
            os.seteuid(status.st_uid)

    return as_root


def _set_groups(uid: int, gid: int) -> None:
    try:
        os.initgroups(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:  # an owner without a name, as containers have them
        os.setgroups([gid])
