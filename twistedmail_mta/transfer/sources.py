"""What is at a path that somebody wants to import: a Maildir, an mbox, or a directory of mboxes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from twistedmail_mta.mailbox.mailboxes import mailbox_name
from twistedmail_mta.transfer import maildir, mbox
from twistedmail_mta.transfer.foreign import Folder
from twistedmail_mta.transfer.mbox_writer import SUFFIX


@dataclass(frozen=True, slots=True)
class Source:
    """Another server's mail.

    Attributes:
        folders: one call for each folder, which reads what it has; raises OSError or ValueError.
        subscriptions: the names of the mailboxes that were subscribed to.
        left_out: what is passed over, and why.
    """

    folders: list[Callable[[], Folder]]
    subscriptions: list[str]
    left_out: list[str]


def source_at(path: Path, into: str, uidl_format: str | None) -> Source:
    """Return what is at a path.

    Args:
        path: a Maildir, an mbox file, or a directory of such files.
        into: the mailbox for what has no name of its own, an mbox file.
        uidl_format: how POP3 called the messages (`dovecot.uidl_of`); None: it isn't to be kept.

    Raises:
        OSError: it can't be read.
        ValueError: there is no mail.
    """
    if path.is_file():
        return Source([partial(mbox.folder, path, into, uidl_format)], [], [])
    if maildir.is_maildir(path):
        folders = [partial(maildir.folder, each, name, uidl_format) for each, name in maildir.folders(path)]
        return Source(list(folders), maildir.subscriptions(path), maildir.left_out(path))
    source = Source([], [], [])
    for file in _files(path):
        try:
            name = _name(file.relative_to(path))
        except ValueError as error:
            source.left_out.append(f"{file}: {error}")
            continue
        if file.is_symlink() or not file.is_file():
            source.left_out.append(f"{file}: not a regular file")
        else:
            source.folders.append(partial(mbox.folder, file, name, uidl_format))
    if not source.folders:
        raise ValueError(f"{path} is no Maildir, and there is no mbox in it")
    return source


def _files(root: Path) -> Iterator[Path]:
    """Yield what could be an mbox: no hidden file."""
    for directory, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(directory, name) for name in sorted(files) if not name.startswith("."))


def _name(path: Path) -> str:
    text = re.sub("%(25|2E|00)", lambda found: chr(int(found[1], 16)), str(path).removesuffix(SUFFIX))
    return mailbox_name(text)
