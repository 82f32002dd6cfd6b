"""Reads a Maildir with its folders (Maildir++), and what Dovecot keeps beside them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Final

from twistedmail_mta.mail import modified_utf7
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.mailbox.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from twistedmail_mta.transfer.dovecot import (
    UIDList,
    parse_keywords,
    parse_subscriptions,
    parse_uidlist,
    uidl_of,
    unique_name,
)
from twistedmail_mta.transfer.foreign import BLOCK, Folder, Found, with_crlf
from twistedmail_mta.transfer.tree import Directory

FLAGS: Final = {"S": SEEN, "R": ANSWERED, "F": FLAGGED, "T": DELETED, "D": DRAFT}
FORWARDED: Final = "$Forwarded"
_PREFIX: Final = "INBOX/"
_GZIP: Final = b"\x1f\x8b"
_LONGEST: Final = 64 << 20
"""Octets of a file beside the messages that are read at most."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A file of a message: its directory (new or cur) and its name."""

    directory: Directory
    file: str


def is_maildir(where: Directory) -> bool:
    """Return whether there is a Maildir."""
    return where.has("cur") or where.has("new")


def folders(root: Directory) -> list[tuple[str, str]]:
    """Return the directories of a Maildir's folders and their names, INBOX first, whose directory is "".

    Raises:
        OSError: it can't be read.
    """
    below = [(entry.name, _name(entry.name[1:])) for entry in _subfolders(root) if _problem(entry) is None]
    return [("", "INBOX"), *below]


def left_out(root: Directory) -> list[str]:
    """Return which folders `folders` passes over, and why."""
    found = ((entry.name, _problem(entry)) for entry in _subfolders(root))
    return [f"{root.path / name}: {problem}" for name, problem in found if problem is not None]


def _subfolders(root: Directory) -> list[os.DirEntry[str]]:
    found = (entry for entry in root.entries() if entry.name.startswith("."))
    return sorted(filter(partial(_is_folder, root), found), key=lambda entry: entry.name)


def _is_folder(root: Directory, entry: os.DirEntry[str]) -> bool:
    if entry.is_symlink():
        return True  # to be told of
    return root.has(entry.name) and is_maildir(root.below(entry.name))


def _problem(entry: os.DirEntry[str]) -> str | None:
    if entry.is_symlink():
        return "a symbolic link"
    try:
        _name(entry.name[1:])
    except ValueError as error:
        return str(error)
    return None


def folder(root: Directory, directory: str, name: str, uidl_format: str | None) -> Folder:
    """Read a folder; no file of it that isn't a regular one.

    Args:
        root: the Maildir.
        directory: that of the folder; "" for INBOX.
        name: how it is called.
        uidl_format: how POP3 called the messages (`dovecot.uidl_of`); None: it isn't to be kept.

    Raises:
        OSError: it can't be read.
    """
    where = root.below(directory) if directory else root
    uidlist = parse_uidlist(_text(where, "dovecot-uidlist"))
    keywords = parse_keywords(_text(where, "dovecot-keywords"))
    problems: list[str] = []
    places = _places(where, problems)
    order = sorted(places, key=lambda unique: _order(unique, uidlist))
    messages = (_found(where, unique, places[unique], (uidlist, keywords, uidl_format)) for unique in order)
    return Folder(name, messages, len(places), uidlist.uid_validity, uidlist.uid_next, problems)


def subscriptions(root: Directory) -> list[str]:
    """Return the names of the mailboxes that were subscribed to."""
    names = []
    for name in parse_subscriptions(_text(root, "subscriptions")):
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


def _text(where: Directory, name: str) -> str:
    """Return the text of a file beside the messages; empty when there is none."""
    try:
        with where.file(name) as file:
            return file.read(_LONGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _places(where: Directory, problems: list[str]) -> dict[str, _Place]:
    """Return where the messages are; one that is in new and in cur, as it is just being moved, is one."""
    places: dict[str, _Place] = {}
    for name in ("new", "cur"):
        try:
            directory = where.below(name)
        except FileNotFoundError:
            continue
        for entry in directory.entries():
            if entry.name.startswith("."):
                continue
            if entry.is_file(follow_symlinks=False):
                places[unique_name(entry.name)] = _Place(directory, entry.name)
            else:
                problems.append(f"{directory.path / entry.name}: not a regular file")
    return places


def _order(unique: str, uidlist: UIDList) -> tuple[int, str]:
    known = uidlist.known.get(unique)
    return (known.uid, "") if known is not None else (1 << 32, unique)


def _found(where: Directory, unique: str, place: _Place, beside: tuple[UIDList, dict[str, str], str | None]) -> Found:
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
        read=partial(_read, where, unique, place),
        internal_date=_date(place, unique),
        flags=flags,
        keywords=frozenset(keywords),
        uid=uid,
        uidl=uidl,
    )


def _date(place: _Place, unique: str) -> int:
    """Return when a message came: Dovecot keeps that as the time of its file; else its name begins with it."""
    try:
        return place.directory.modified_at(place.file)
    except FileNotFoundError:
        seconds = unique.partition(".")[0]
        return int(seconds) if seconds.isdecimal() and len(seconds) < 12 else 0


def _read(where: Directory, unique: str, place: _Place) -> Iterator[bytes]:
    with _message(where, unique, place) as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if packed:
            with gzip.open(file) as unpacked:
                yield from with_crlf(iter(partial(unpacked.read, BLOCK), b""))
        else:
            yield from with_crlf(iter(partial(file.read, BLOCK), b""))


def _message(where: Directory, unique: str, place: _Place) -> BinaryIO:
    """Open a message, wherever it was moved meanwhile: its flags stand in its name."""
    try:
        return place.directory.file(place.file)
    except FileNotFoundError:
        found = _places(where, []).get(unique)
        if found is None:
            raise
        return found.directory.file(found.file)
