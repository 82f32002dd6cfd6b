"""Reads the mailboxes of an account, to be written into other servers' files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from twistedmail_mta.interfaces import IBodyStore, IDatabase, Transaction
from twistedmail_mta.mailbox.mailboxes import Mailbox, mailboxes
from twistedmail_mta.model import CRLF, Body, FileBody, InlineBody
from twistedmail_mta.transfer.foreign import BLOCK

READ_AT_ONCE: Final = 50
LISTED_AT_ONCE: Final = 10_000

_LIST: Final = """
SELECT m.uid, m.flags, a.internal_date, a.size, u.uidl
FROM mail m JOIN arrival a USING (mailbox, uid) LEFT JOIN uidl u USING (mailbox, uid)
WHERE m.mailbox = ? AND m.uid > ? ORDER BY m.uid LIMIT ?
"""
_READ: Final = """
SELECT m.uid, a.prefix, c.header, b.size, b.file, b.data
FROM mail m JOIN arrival a USING (mailbox, uid) JOIN content c ON c.id = m.content JOIN body b ON b.id = c.body
WHERE m.mailbox = ? AND m.uid IN (SELECT value FROM json_each(?))
"""
_KEYWORDS: Final = "SELECT bit, name FROM keyword WHERE mailbox = ? ORDER BY bit"
_NEXT: Final = "SELECT uid_next FROM mailbox WHERE id = ?"
_SUBSCRIBED: Final = "SELECT name FROM subscription WHERE account = ? ORDER BY name"


@dataclass(frozen=True, slots=True)
class Listed:
    """A message of a mailbox, without its text.

    Attributes:
        uid: its UID.
        flags: bits of `mailbox.flags`, keywords too.
        internal_date: seconds since the epoch.
        size: octets with CRLF.
        uidl: what POP3 calls it, where that was brought along.
    """

    uid: int
    flags: int
    internal_date: int
    size: int
    uidl: str | None


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a message: `head`, then the body."""

    head: bytes
    body: Body


class Export:
    """What an account has, as it is while it is read."""

    def __init__(self, database: IDatabase, bodies: IBodyStore, account: int) -> None:
        self._database = database
        self._bodies = bodies
        self._account = account

    async def mailboxes(self) -> list[Mailbox]:
        """Return the account's mailboxes."""
        return list(await self._database.read(partial(mailboxes, account=self._account)))

    async def subscriptions(self) -> list[str]:
        """Return the names that the account subscribed to."""
        return await self._database.read(lambda tx: [name for (name,) in tx.execute(_SUBSCRIBED, (self._account,))])

    async def keywords(self, mailbox: Mailbox) -> dict[int, str]:
        """Return the name of each bit that is a keyword."""
        return await self._database.read(lambda tx: dict(tx.execute(_KEYWORDS, (mailbox.id,))))

    async def uid_next(self, mailbox: Mailbox) -> int:
        """Return the UID that the next message gets."""
        return await self._database.read(lambda tx: next(uid for (uid,) in list(tx.execute(_NEXT, (mailbox.id,)))))

    async def listed(self, mailbox: Mailbox) -> AsyncIterator[list[Listed]]:
        """Yield the messages of a mailbox in the order of their UIDs, some at a time."""
        last = 0
        while some := await self._database.read(partial(_listed, mailbox=mailbox.id, after=last)):
            for start in range(0, len(some), READ_AT_ONCE):
                yield some[start : start + READ_AT_ONCE]
            last = some[-1].uid

    async def texts(self, mailbox: Mailbox, uids: list[int]) -> dict[int, Text]:
        """Return the texts of those messages that are still there, by UID."""
        return await self._database.read(partial(_texts, mailbox=mailbox.id, uids=json.dumps(uids)))

    async def blocks(self, text: Text) -> AsyncIterator[bytes]:
        """Yield a message's octets, all line ends LF.

        Raises:
            TemporaryError: its body can't be read.
        """
        held = b""
        async for block in self._raw(text):
            joined = held + block
            held = b"\r" if joined.endswith(b"\r") else b""
            yield joined[: len(joined) - len(held)].replace(CRLF, b"\n")
        yield held

    async def _raw(self, text: Text) -> AsyncIterator[bytes]:
        yield text.head
        for offset in range(0, text.body.size, BLOCK):
            yield await self._bodies.read(text.body, offset, BLOCK)


def _listed(tx: Transaction, mailbox: int, after: int) -> list[Listed]:
    return [Listed(*row) for row in tx.execute(_LIST, (mailbox, after, LISTED_AT_ONCE))]


def _texts(tx: Transaction, mailbox: int, uids: str) -> dict[int, Text]:
    return {
        uid: Text(prefix + header, InlineBody(octets) if file is None else FileBody(file, size))
        for uid, prefix, header, size, file, octets in tx.execute(_READ, (mailbox, uids))
    }
