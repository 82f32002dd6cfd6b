"""Brings the folders of another server into the mailboxes of an account, in batches, each message once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyStore, IDatabase
from twistedmail_mta.mail.header import begins_with_field, split
from twistedmail_mta.mail.mailbox_names import INBOX
from twistedmail_mta.mail.structure import BodyScanner, structure_of
from twistedmail_mta.mailbox import bringing
from twistedmail_mta.mailbox.appending import Incoming, add_keywords, incoming_rows, keywords
from twistedmail_mta.mailbox.deposit import make
from twistedmail_mta.mailbox.mailboxes import Mailbox, named
from twistedmail_mta.mailbox.replies import MAILBOX_GONE
from twistedmail_mta.model import CRLF, InlineBody
from twistedmail_mta.transfer.foreign import Folder, Found

LOOKED_UP_AT_ONCE: Final = 500
BATCH: Final = 200
"""Messages of one transaction."""
BATCH_SIZE: Final = 4 << 20
"""Octets of headers and small bodies in one transaction, about."""
LONGEST_HEADER: Final = 8 << 20


@dataclass(slots=True)
class Tally:
    """What became of a folder.

    Attributes:
        name: the mailbox's.
        found: messages that were there.
        imported: those brought now.
        known: those brought by an earlier import.
        present: those that the database knows in the end; all is well when that is `found`.
        problems: what could not be read, and why.
    """

    name: str
    found: int = 0
    imported: int = 0
    known: int = 0
    present: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether everything that was found is here."""
        return self.present == self.found and not self.problems


class Import:
    """An import into the mailboxes of one account."""

    def __init__(  # noqa: PLR0913, PLR0917 - one caller
        self,
        database: IDatabase,
        bodies: IBodyStore,
        new_id: Callable[[], int],
        account: int,
        now: Callable[[], float],
        progress: Callable[[int], None],
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            database: where the rows go.
            bodies: where large bodies go.
            new_id: makes message ids.
            account: whose mailboxes.
            now: seconds since the epoch.
            progress: told of messages that are done with.
        """
        self._database = database
        self._bodies = bodies
        self._new_id = new_id
        self._account = account
        self._now = now
        self._progress = progress

    async def bring(self, folder: Folder) -> Tally:
        """Bring a folder; what was brought before is left alone.

        Raises:
            TemporaryError: the database can't be written; what was brought stays.
        """
        tally = Tally(folder.name, problems=list(folder.left_out))
        mailbox = await self._mailbox(folder.name)
        keeps_uids = folder.uid_validity is not None and await self._database.write(
            partial(bringing.adopt, mailbox=mailbox.id, uid_validity=folder.uid_validity)
        )
        messages = iter(folder.messages)
        while some := list(islice(messages, LOOKED_UP_AT_ONCE)):
            await self._bring_some(mailbox, some, tally, keeps_uids=keeps_uids)
        if keeps_uids:
            await self._database.write(partial(bringing.skip_uids, mailbox=mailbox.id, uid_next=folder.uid_next))
        return tally

    async def subscribe(self, names: Sequence[str]) -> None:
        """Subscribe the account to mailboxes.

        Raises:
            TemporaryError: the database can't be written.
        """
        await self._database.write(partial(bringing.subscribe, account=self._account, names=names))

    async def _mailbox(self, name: str) -> Mailbox:
        now = int(self._now())
        await self._database.write(partial(make, account=self._account, name=name, now=now))
        mailbox = await self._database.read(partial(named, account=self._account, name=name))
        if mailbox is None:
            raise TemporaryError(MAILBOX_GONE)
        return mailbox

    async def _bring_some(self, mailbox: Mailbox, some: list[Found], tally: Tally, *, keeps_uids: bool) -> None:
        sources = {found.source for found in some}
        known = await self._known(mailbox, sources)
        tally.found += len(some)
        tally.known += len(known)
        self._progress(len(known))
        batch: list[tuple[Found, Incoming]] = []
        for found in some:
            if found.source in known:
                continue
            incoming = await self._taken(found, tally)
            if incoming is not None:
                batch.append((found, incoming))
            if len(batch) >= BATCH or sum(_octets(each) for _, each in batch) >= BATCH_SIZE:
                await self._write(mailbox, batch, keeps_uids=keeps_uids)
                batch = []
        await self._write(mailbox, batch, keeps_uids=keeps_uids)
        tally.present += len(await self._known(mailbox, sources))
        tally.imported = tally.present - tally.known

    async def _known(self, mailbox: Mailbox, sources: set[str]) -> set[str]:
        return await self._database.read(partial(bringing.known, mailbox=mailbox.id, sources=sources))

    async def _taken(self, found: Found, tally: Tally) -> Incoming | None:
        """Read a message; None when it can't be read."""
        try:
            return await self._read(found, tally.name)
        except (OSError, EOFError, ValueError) as error:
            tally.problems.append(f"{found.source}: {error}")
            self._progress(1)
            return None

    async def _read(self, found: Found, mailbox: str) -> Incoming:
        header, blocks = _split(found.read())
        scanner, writer = BodyScanner(header), self._bodies.writer()
        try:
            for block in blocks:
                scanner.add(block)
                if writer.add(block):
                    await writer.flush()
            body = await writer.finish()
        except BaseException:
            writer.abandon()
            raise
        return Incoming(
            id=self._new_id(),
            header=header,
            body=body,
            structure=structure_of(header, scanner.finish()),
            internal_date=found.internal_date,
            flags=found.flags,
            keywords=found.keywords,
            uidl=found.uidl if mailbox == INBOX else None,  # POP3 knows no other
        )

    async def _write(self, mailbox: Mailbox, batch: Sequence[tuple[Found, Incoming]], *, keeps_uids: bool) -> None:
        if not batch:
            return
        messages = [incoming for _, incoming in batch]
        rows = incoming_rows(messages, await self._keywords(mailbox, messages), int(self._now()))
        wanted = [found.uid if keeps_uids else None for found, _ in batch]
        sources = [found.source for found, _ in batch]
        await self._database.write(
            partial(bringing.bring, mailbox=mailbox.id, rows=rows, wanted=wanted, sources=sources),
            size=sum(map(_octets, messages)),
        )
        self._progress(len(batch))

    async def _keywords(self, mailbox: Mailbox, messages: Sequence[Incoming]) -> dict[str, int]:
        names = sorted({name for message in messages for name in message.keywords})
        known = await self._database.read(partial(keywords, mailbox=mailbox.id))
        if all(name.lower() in known for name in names):
            return known
        return await self._database.write(partial(add_keywords, mailbox=mailbox.id, names=names))


def _split(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the header and the rest.

    Raises:
        ValueError: the header is too long to be one.
    """
    head = b""
    for block in blocks:
        head += block
        if not head:
            continue
        header, rest = split(head)
        if rest or not begins_with_field(head):
            return header, chain((rest,), blocks)
        if len(head) > LONGEST_HEADER:
            raise ValueError("its header is too long")
    return (head if head.endswith(CRLF) else head + CRLF), iter(())


def _octets(message: Incoming) -> int:
    """Return how much of a message goes into the database."""
    return len(message.header) + (message.body.size if isinstance(message.body, InlineBody) else 0)
