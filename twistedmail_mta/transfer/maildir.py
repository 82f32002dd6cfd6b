"""Reads a Maildir with its folders (Maildir++), and what Dovecot keeps beside them."""

from __future__ import annotations

import errno
import gzip
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from twistedmail_mta.mail import modified_utf7
from twistedmail_mta.mailbox.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from twistedmail_mta.mailbox.mailboxes import mailbox_name
from twistedmail_mta.transfer.dovecot import (
    UIDList,
    parse_keywords,
    parse_subscriptions,
    parse_uidlist,
    uidl_of,
    unique_name,
)
from twistedmail_mta.transfer.foreign import BLOCK, Folder, Found, with_crlf

FLAGS: Final = {"S": SEEN, "R": ANSWERED, "F": FLAGGED, "T": DELETED, "D": DRAFT}
FORWARDED: Final = "$Forwarded"
_PREFIX: Final = "INBOX/"
_GZIP: Final = b"\x1f\x8b"
_LONGEST: Final = 64 << 20
"""Octets of a file beside the messages that are read at most."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A file of a message: its directory ("new" or "cur") and its name."""

    directory: str
    file: str


def is_maildir(path: Path) -> bool:
    """Return whether there is a Maildir."""
    return (path / "cur").is_dir() or (path / "new").is_dir()


def folders(root: Path) -> list[tuple[Path, str]]:
    """Return where a Maildir's folders are, and their names, INBOX first.

    None is reached through a symbolic link.

    Raises:
        OSError: it can't be read.
    """
    below = [(path, _name(path.name[1:])) for path in _subfolders(root) if _problem(path) is None]
    return [(root, "INBOX"), *below]


def left_out(root: Path) -> list[str]:
    """Return which folders `folders` passes over, and why."""
    return [f"{path}: {problem}" for path in _subfolders(root) if (problem := _problem(path)) is not None]


def _subfolders(root: Path) -> list[Path]:
    return sorted(Path(entry) for entry in os.scandir(root) if entry.name.startswith(".") and is_maildir(Path(entry)))


def _problem(path: Path) -> str | None:
    if path.is_symlink():
        return "a symbolic link"
    try:
        _name(path.name[1:])
    except ValueError as error:
        return str(error)
    return None


def folder(path: Path, name: str, uidl_format: str | None) -> Folder:
    """Read a folder; no file of it that isn't a regular one.

    Args:
        path: its directory.
        name: how it is called.
        uidl_format: how POP3 called the messages (`dovecot.uidl_of`); None: it isn't to be kept.

    Raises:
        OSError: it can't be read.
    """
    uidlist = parse_uidlist(_text(path / "dovecot-uidlist"))
    keywords = parse_keywords(_text(path / "dovecot-keywords"))
    problems: list[str] = []
    places = _places(path, problems)
    order = sorted(places, key=lambda unique: _order(unique, uidlist))
    messages = (_found(path, unique, places[unique], (uidlist, keywords, uidl_format)) for unique in order)
    return Folder(name, messages, len(places), uidlist.uid_validity, uidlist.uid_next, problems)


def subscriptions(root: Path) -> list[str]:
    """Return the names of the mailboxes that were subscribed to."""
    names = []
    for name in parse_subscriptions(_text(root / "subscriptions")):
        try:
            names.append(_name(name, "/"))
        except ValueError:
            continue
    return names


def _decoded(level: str) -> str:
    """Return a level of a name; what is no modified UTF-7 stands for itself."""
    try:
        return modified_utf7.decode(level)
    except ValueError:
        return level


def _name(text: str, separator: str = ".") -> str:
    """Return a mailbox's name; a folder below INBOX is one beside it, as servers with that prefix show it.

    Raises:
        ValueError: no mailbox can be named so.
    """
    name = mailbox_name("/".join(map(_decoded, text.split(separator))))
    return mailbox_name(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else name


def _text(path: Path) -> str:
    """Return the text of a file beside the messages; empty when there is none."""
    try:
        with _opened(path) as file:
            return file.read(_LONGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _places(path: Path, problems: list[str]) -> dict[str, _Place]:
    """Return where the messages are; one that is in new and in cur, as it is just being moved, is one."""
    places: dict[str, _Place] = {}
    for directory in ("new", "cur"):
        try:
            entries = os.scandir(path / directory)
        except FileNotFoundError:
            continue
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_file(follow_symlinks=False):
                    places[unique_name(entry.name)] = _Place(directory, entry.name)
                else:
                    problems.append(f"{entry.path}: not a regular file")
    return places


def _order(unique: str, uidlist: UIDList) -> tuple[int, str]:
    known = uidlist.known.get(unique)
    return (known.uid, "") if known is not None else (1 << 32, unique)


def _found(path: Path, unique: str, place: _Place, beside: tuple[UIDList, dict[str, str], str | None]) -> Found:
    uidlist, letters, uidl_format = beside
    known = uidlist.known.get(unique)
    uid = known.uid if known is not None else None
    uidl = known.uidl if known is not None else None
    if uidl is None and uid is not None and uidl_format is not None and uidlist.uid_validity is not None:
        uidl = uidl_of(uidl_format, uid, uidlist.uid_validity, unique)
    info = place.file.partition(":2,")[2]
    flags = sum(bit for letter, bit in FLAGS.items() if letter in info)
    keywords = {letters[letter] for letter in info if letter in letters} | ({FORWARDED} if "P" in info else set())
    return Found(
        source=unique,
        read=partial(_read, path, unique, place),
        internal_date=_date(path / place.directory / place.file, unique),
        flags=flags,
        keywords=frozenset(keywords),
        uid=uid,
        uidl=uidl,
    )


def _date(path: Path, unique: str) -> int:
    """Return when a message came: Dovecot keeps that as the time of its file; else its name begins with it."""
    try:
        return int(path.lstat().st_mtime)
    except FileNotFoundError:
        seconds = unique.partition(".")[0]
        return int(seconds) if seconds.isdecimal() and len(seconds) < 12 else 0


def _read(path: Path, unique: str, place: _Place) -> Iterator[bytes]:
    with _message(path, unique, place) as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if packed:
            with gzip.open(file) as unpacked:
                yield from with_crlf(iter(partial(unpacked.read, BLOCK), b""))
        else:
            yield from with_crlf(iter(partial(file.read, BLOCK), b""))


def _message(path: Path, unique: str, place: _Place) -> BinaryIO:
    """Open a message, wherever it was moved meanwhile: its flags stand in its name."""
    try:
        return _opened(path / place.directory / place.file)
    except FileNotFoundError:
        found = _places(path, []).get(unique)
        if found is None:
            raise
        return _opened(path / found.directory / found.file)


def _opened(path: Path) -> BinaryIO:
    """Open a regular file, and nothing else.

    Raises:
        OSError: it can't be read, or is something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")
