"""What is at a path that somebody wants to import: a Maildir, an mbox, or a directory of mboxes."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.store.owner import Access
from twistedmail_mta.transfer import maildir, mbox
from twistedmail_mta.transfer.foreign import Folder
from twistedmail_mta.transfer.mbox_writer import SUFFIX
from twistedmail_mta.transfer.tree import Directory


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


def source_at(path: Path, into: str, uidl_format: str | None, access: Access = nullcontext) -> Source:
    """Return what is at a path.

    Args:
        path: a Maildir, an mbox file, or a directory of such files.
        into: the mailbox for what has no name of its own, an mbox file.
        uidl_format: how POP3 called the messages (`dovecot.uidl_of`); None: it isn't to be kept.
        access: in which files are opened.

    Raises:
        OSError: it can't be read.
        ValueError: there is no mail.
    """
    with access():
        path = path.resolve(strict=True)
        is_directory = path.is_dir()
    root = Directory(path if is_directory else path.parent, access=access)
    if not is_directory:
        return Source([partial(mbox.folder, root, path.name, into, uidl_format)], [], [])
    if maildir.is_maildir(root):
        folders = [partial(maildir.folder, root, each, name, uidl_format) for each, name in maildir.folders(root)]
        return Source(list(folders), maildir.subscriptions(root), maildir.left_out(root))
    source = Source([], [], [])
    _find_mboxes(root, "", uidl_format, source)
    if not source.folders:
        raise ValueError(f"{path} is no Maildir, and there is no mbox in it")
    return source


def _find_mboxes(where: Directory, above: str, uidl_format: str | None, source: Source) -> None:
    """Find what could be an mbox, in the directories below too: no hidden file."""
    for entry in sorted(where.entries(), key=lambda each: each.name):
        path = where.path / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            _find_mboxes(where.below(entry.name), f"{above}{entry.name}/", uidl_format, source)
        elif not entry.is_file(follow_symlinks=False):
            source.left_out.append(f"{path}: not a regular file")
        else:
            try:
                name = _name(above + entry.name)
            except ValueError as error:
                source.left_out.append(f"{path}: {error}")
            else:
                source.folders.append(partial(mbox.folder, where, entry.name, name, uidl_format))


def _name(path: str) -> str:
    text = re.sub("%(25|2E|00)", lambda found: chr(int(found[1], 16)), path.removesuffix(SUFFIX))
    return mailbox_name(text)
