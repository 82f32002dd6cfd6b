"""Becoming the user of the site file, and finding out beforehand what that user can't read."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class PrivilegeError(Exception):
    """The process can't become, or prepare for, the user it is meant to run as."""


@dataclass(frozen=True, slots=True)
class User:
    """A user of the operating system."""

    name: str
    uid: int
    gid: int

    @property
    def groups(self) -> list[int]:
        """All groups the user is in."""
        return os.getgrouplist(self.name, self.gid)


def find_user(name: str) -> User:
    """Return a user by name.

    Raises:
        PrivilegeError: there is none.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise PrivilegeError(f"there is no user {name}") from error
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def running_user() -> User:
    """Return whom the process acts as now."""
    uid = os.geteuid()
    try:
        return User(pwd.getpwuid(uid).pw_name, uid, os.getegid())
    except KeyError:
        return User(str(uid), uid, os.getegid())


def become(user: User) -> None:
    """Give up root for good; nothing when the process is that user already.

    Raises:
        PrivilegeError: the process is neither root nor that user.
    """
    if os.getuid() == os.geteuid() == user.uid:
        return
    if os.geteuid() != 0:
        raise PrivilegeError(f"only root can become {user.name}")
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


def unreadable_for(user: User, paths: Iterable[Path]) -> list[Path]:
    """Return those of `paths` that `user` couldn't open; needs root for anyone but oneself.

    It asks the kernel as that user, so folders, groups and access lists count.
    """
    with acting_as(user):
        return [path for path in paths if not os.access(path, os.R_OK, effective_ids=True)]


def is_writable_for(user: User, folder: Path) -> bool:
    """Whether `user` could make files in `folder`; needs root for anyone but oneself."""
    with acting_as(user):
        return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def is_passable_for(user: User, folder: Path) -> bool:
    """Whether `user` could open what is in `folder` by its name; needs root for anyone but oneself."""
    with acting_as(user):
        return os.access(folder, os.X_OK, effective_ids=True)


@contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Act as `user` for a moment; only while the process has one thread.

    Raises:
        PrivilegeError: the process is neither root nor that user.
    """
    before = User("", os.geteuid(), os.getegid()), os.getgroups()
    if before[0].uid == user.uid:
        yield
        return
    if before[0].uid != 0:
        raise PrivilegeError(f"only root can act as {user.name}")
    os.setgroups(user.groups)
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(before[0].uid)
        os.setegid(before[0].gid)
        os.setgroups(before[1])
