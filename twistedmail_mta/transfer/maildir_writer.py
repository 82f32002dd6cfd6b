"""Writes mailboxes as a Maildir with folders (Maildir++), with the lists that Dovecot keeps beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from twistedmail_mta.mail import modified_utf7
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.private_file import create_private
from twistedmail_mta.transfer.dovecot import format_keywords, unique_name
from twistedmail_mta.transfer.exporting import Export, Listed, Text
from twistedmail_mta.transfer.importing import Tally
from twistedmail_mta.transfer.maildir import FLAGS

_LETTERS: Final = 26
"""Keywords that a Maildir's file names can tell."""
_HOST: Final = "mta"


class MaildirWriter:
    """Writes into one Maildir; what is there already is left alone, so that an export can be gone on with."""

    def __init__(self, root: Path, export: Export) -> None:
        """Make the Maildir unless it is there.

        Raises:
            OSError: it can't be made.
        """
        self._root = root
        self._export = export
        _make(root)

    async def write(self, mailbox: Mailbox, tally: Tally) -> None:
        """Write a mailbox, and count into `tally`.

        Raises:
            OSError: it can't be written.
            TemporaryError: it can't be read.
        """
        path = self._root if mailbox.name == "INBOX" else self._root / f".{folder_name(mailbox.name)}"
        if path != self._root:
            _make(path)
            (path / "maildirfolder").touch()
        letters = _letters(await self._export.keywords(mailbox), tally)
        there = {unique_name(each.name) for each in os.scandir(path / "cur")}
        uids: list[str] = []
        async for some in self._export.listed(mailbox):
            missing = [each for each in some if _unique(mailbox, each) not in there]
            texts = await self._export.texts(mailbox, [each.uid for each in missing])
            for each in some:
                await self._write(path, mailbox, each, (letters, texts, there), tally)
                uids.append(_uid_line(mailbox, each))
        uid_next = await self._export.uid_next(mailbox)
        _replace(path / "dovecot-uidlist", f"3 V{mailbox.uid_validity} N{uid_next}\n" + "".join(uids))
        _replace(path / "dovecot-keywords", format_keywords(letters[bit][1] for bit in letters))

    async def _write(
        self,
        path: Path,
        mailbox: Mailbox,
        message: Listed,
        known: tuple[Mapping[int, tuple[str, str]], Mapping[int, Text], set[str]],
        tally: Tally,
    ) -> None:
        letters, texts, there = known
        unique = _unique(mailbox, message)
        tally.found += 1
        if unique in there:
            tally.known += 1
        elif message.uid in texts:
            temporary = path / "tmp" / unique
            with create_private(temporary) as file:
                async for block in self._export.blocks(texts[message.uid]):
                    file.write(block)
            os.utime(temporary, (message.internal_date,) * 2)
            temporary.rename(path / "cur" / (unique + _info(message.flags, letters)))
            tally.imported += 1
        else:  # removed meanwhile
            tally.found -= 1
            return
        tally.present += 1

    def subscribe(self, names: list[str]) -> None:
        """Write which mailboxes are subscribed to.

        Raises:
            OSError: it can't be written.
        """
        levels = ("\t".join(modified_utf7.encode(level) for level in name.split("/")) for name in names)
        _replace(self._root / "subscriptions", "V\t2\n\n" + "".join(f"{name}\n" for name in levels))


def folder_name(name: str) -> str:
    """Return a mailbox's name as Maildir++ writes it: levels separated by dots, so a dot within one is shifted."""
    return ".".join(modified_utf7.encode(level, also=".") for level in name.split("/"))


def _make(path: Path) -> None:
    for directory in (path, path / "tmp", path / "new", path / "cur"):
        directory.mkdir(mode=0o700, exist_ok=True)


def _unique(mailbox: Mailbox, message: Listed) -> str:
    return f"{message.internal_date}.V{mailbox.uid_validity:x}U{message.uid:x}.{_HOST}"


def _uid_line(mailbox: Mailbox, message: Listed) -> str:
    """Return a line of `dovecot-uidlist`; POP3 clients know the messages of INBOX alone by a UIDL."""
    uidl = f" P{message.uidl or mailbox.uidl(message.uid)}" if mailbox.name == "INBOX" else ""
    return f"{message.uid}{uidl} :{_unique(mailbox, message)}\n"


def _letters(keywords: Mapping[int, str], tally: Tally) -> dict[int, tuple[str, str]]:
    """Return the letter and the name of each keyword's bit."""
    named = list(keywords.items())
    tally.problems.extend(f"a Maildir has no letter for the keyword {name}" for _, name in named[_LETTERS:])
    return {bit: (chr(ord("a") + number), name) for number, (bit, name) in enumerate(named[:_LETTERS])}


def _info(flags: int, letters: Mapping[int, tuple[str, str]]) -> str:
    """Return flags as they end a file's name, in the order of ASCII."""
    found = [letter for letter, bit in FLAGS.items() if flags & bit]
    found += [letter for bit, (letter, _) in letters.items() if flags >> bit & 1]
    return ":2," + "".join(sorted(found))


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    with create_private(temporary) as file:
        file.write(text.encode())
    temporary.replace(path)
