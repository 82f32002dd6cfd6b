"""Writes mailboxes as mbox files, one for each, in the form mboxrd."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import BinaryIO, Final

from twistedmail_mta.mailbox.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.private_file import create_private
from twistedmail_mta.transfer.exporting import Export, Listed, Text
from twistedmail_mta.transfer.importing import Tally

SUFFIX: Final = ".mbox"
_TO_QUOTE: Final = re.compile(rb"^(>*From )", re.MULTILINE)
_RETURN_PATH: Final = re.compile(rb"^Return-Path:[ \t]*<([^>\r\n ]+)>", re.IGNORECASE | re.MULTILINE)
_X_STATUS: Final = (("A", ANSWERED), ("F", FLAGGED), ("T", DRAFT), ("D", DELETED))


class MboxWriter:
    """Writes into one directory; a file appears when it is complete, in the place of an older one."""

    def __init__(self, root: Path, export: Export) -> None:
        """Make the directory unless it is there.

        Raises:
            OSError: it can't be made.
        """
        self._root = root
        self._export = export
        root.mkdir(mode=0o700, exist_ok=True)

    async def write(self, mailbox: Mailbox, tally: Tally) -> None:
        """Write a mailbox, and count into `tally`.

        Raises:
            OSError: it can't be written.
            TemporaryError: it can't be read.
        """
        path = self._root / file_name(mailbox.name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.tmp")
        keywords = await self._export.keywords(mailbox)
        base = f"X-IMAPbase: {mailbox.uid_validity} {await self._export.uid_next(mailbox) - 1:010}\n"
        with create_private(temporary) as file:
            async for some in self._export.listed(mailbox):
                texts = await self._export.texts(mailbox, [each.uid for each in some])
                for each in some:
                    if each.uid in texts:
                        fields = base + _fields(each, [name for bit, name in keywords.items() if each.flags >> bit & 1])
                        await self._write(file, each, texts[each.uid], fields)
                        base = ""
                        tally.found, tally.imported, tally.present = (tally.found + 1,) * 3
        temporary.replace(path)

    async def _write(self, file: BinaryIO, message: Listed, text: Text, fields: str) -> None:
        sender = _RETURN_PATH.search(text.head)
        who = sender[1] if sender is not None else b"MAILER-DAEMON"
        when = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(message.internal_date))
        file.write(b"From %b %b\n" % (who, when.encode()) + fields.encode())
        line = b""
        async for block in self._export.blocks(text):
            lines, found, rest = (line + block).rpartition(b"\n")
            file.write(_TO_QUOTE.sub(rb">\1", lines + found))
            line = rest
        file.write(_TO_QUOTE.sub(rb">\1", line) + (b"\n\n" if line else b"\n"))

    def subscribe(self, names: list[str]) -> None:
        """Do nothing: mbox files can't tell it."""


def file_name(name: str) -> str:
    """Return the path of a mailbox's file: a directory for each level, none of which can lead elsewhere."""
    levels = [level.replace("%", "%25").replace("\0", "%00") for level in name.split("/")]
    return "/".join("%2E" + level[1:] if level.startswith(".") else level for level in levels) + SUFFIX


def _fields(message: Listed, keywords: list[str]) -> str:
    """Return the fields that tell flags and UID, as UW's and Dovecot's mbox have them."""
    x_status = "".join(letter for letter, bit in _X_STATUS if message.flags & bit)
    return f"X-UID: {message.uid}\nStatus: {'R' if message.flags & SEEN else ''}O\nX-Status: {x_status}\n" + (
        f"X-Keywords: {' '.join(keywords)}\n" if keywords else ""
    )
