"""The service of mailboxes: every write to them goes through here, and every view comes from here."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import ClassVar, Final, TypeVar

from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.imap.sieve import Sieve
from twistedmail_mta.interfaces import IBodyStore, IDatabase, IMailboxDelivery, Transaction
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.mailbox import appending, deposit, flagging, gathering, mailboxes, remembered, removal, searching
from twistedmail_mta.mailbox.appending import Incoming, incoming_rows
from twistedmail_mta.mailbox.change import Change, Filed, Flagged, Removed, filed_for_nobody
from twistedmail_mta.mailbox.copying import REFERRED_AT_ONCE, Way
from twistedmail_mta.mailbox.described import Column, read_described
from twistedmail_mta.mailbox.flagging import Flagging, Wanted
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.problem import Problem
from twistedmail_mta.mailbox.purging import purge
from twistedmail_mta.mailbox.release import release
from twistedmail_mta.mailbox.replies import MAILBOX_GONE
from twistedmail_mta.mailbox.rows import Row, delivery_rows
from twistedmail_mta.mailbox.stored import Stored, read_piece, read_stored, read_whole
from twistedmail_mta.mailbox.transfers import Copied, Transfers
from twistedmail_mta.mailbox.tree import MailboxTree
from twistedmail_mta.mailbox.view import MailboxView
from twistedmail_mta.mailbox.views import GONE, Views
from twistedmail_mta.mailbox.writing import Writing
from twistedmail_mta.model import InlineBody, LocalMail, Message
from twistedmail_mta.tasks import TaskGroup

T = TypeVar("T")

FLAGGED_AT_ONCE: Final = 5000
"""Messages whose flags are changed in one transaction, of which the views then hear at once."""

REMOVED_AT_ONCE: Final = 10_000
"""Messages removed in one transaction: others who write wait about a tenth of a second for it."""


@implementer(IMailboxDelivery)
class MailboxStore:
    """The mailboxes of this host, as this process sees and changes them.

    A write goes on when whoever asked for it is cancelled, and the views hear
    of it in any case, in the order of the commits.

    Attributes:
        tree: the names of mailboxes, and what is done with these.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        database: IDatabase,
        bodies: IBodyStore,
        tasks: TaskGroup,
        now: Callable[[], float],
        filed: Filed = filed_for_nobody,
    ) -> None:
        """Make the service of this process.

        Args:
            database: where the rows are.
            bodies: where large bodies are.
            tasks: what is left to do after a commit runs here.
            now: seconds since the epoch.
            filed: told which mailboxes the queue has put a message into, and its UID in each.
        """
        self._filed = filed
        self._database = database
        self._bodies = bodies
        self._tasks = tasks
        self._now = now
        self._views = Views(database, tasks)
        self._writing = Writing(database, tasks, self._views)
        self._transfers = Transfers(database, self._writing, self._views)
        self._releasing = False
        self._release_again = False
        self.tree = MailboxTree(database, tasks, now, self._gone, self._move_all)

    # Mailboxes

    async def mailboxes(self, account: int) -> Sequence[Mailbox]:
        """Return the mailboxes of an account, in the order of their names."""
        return await self._database.read(lambda tx: mailboxes.mailboxes(tx, account))

    async def mailbox(self, account: int, name: str) -> Mailbox | None:
        """Return the mailbox of that name, in whatever spelling of it, or None."""
        try:
            kept = mailbox_name(name)
        except ValueError:
            return None
        return await self._database.read(lambda tx: mailboxes.named(tx, account, kept))

    async def make(self, account: int, name: str, special_use: str | None = None) -> Mailbox:
        """Return the mailbox of that name, made if need be, with INBOX and its like.

        Raises:
            TemporaryError: the account is gone, or the database can't be written.
        """
        found = await self.mailbox(account, name)
        if found is not None:
            return found
        now = int(self._now())

        def make(tx: Transaction) -> Mailbox | None:
            deposit.make(tx, account, name, now, special_use)
            return mailboxes.named(tx, account, name)

        made = await self._database.write(make)
        if made is None:
            raise TemporaryError(MAILBOX_GONE)
        return made

    # Views

    async def open(self, mailbox: int) -> MailboxView:
        """Return the view of a mailbox, current, for as long as it isn't given back by `leave`.

        Raises:
            TemporaryError: it can't be read now, or there is no such mailbox any more.
        """
        return await self._views.open(mailbox)

    def leave(self, view: MailboxView) -> None:
        """Give a view back."""
        self._views.leave(view)

    def _gone(self, mailbox: int) -> None:
        """Hear that a mailbox was deleted, and is to be purged."""
        self._views.look(mailbox, GONE)
        self._tasks.start("mailbox.release", self.release())

    def note(self, changes: Iterable[Change]) -> None:
        """Hear what a transaction of this process did to mailboxes; in the order of the commits."""
        self._views.note(changes)

    def look(self, mailbox: int, modseq: int) -> None:
        """Hear that another process has changed a mailbox, up to that MODSEQ."""
        self._views.look(mailbox, modseq)

    def look_at_all(self) -> None:
        """Hear that another process has changed something."""
        self._tasks.start("mailbox.look", self._look_at_all())

    async def _look_at_all(self) -> None:
        try:
            await self._views.look_at_all()
        except TemporaryError as error:
            self.log.warn("the mailboxes couldn't be looked at: {reason}", reason=str(error), event="mailbox.failed")

    # Messages

    async def deliver(self, message: Message, local: LocalMail, done: tuple[int, int] | None = None) -> None:
        """See `IMailboxDelivery.deliver`."""
        known: set[tuple[int, str]] = set()
        if done is not None:
            about, n = done
            known = await self._database.read(lambda tx: deposit.read_done(tx, about, n))
        rows = delivery_rows(message, local, known)
        if not rows.places:
            return
        progress = [] if done is None else [(*done, account, mailbox) for _, account, mailbox, _ in rows.places]
        added = await self._writing.changes(
            lambda tx: deposit.deposit_spooled(tx, rows, progress), size=len(message.header)
        )
        meant = {(each.account, each.mailbox): each for each in local.deliveries}
        filed = [meant[account, mailbox] for _, account, mailbox, _ in rows.places]
        self._filed(message, filed, [each.uids[0] for each in added])

    async def append(self, mailbox: int, messages: Sequence[Incoming]) -> Sequence[int]:
        """Put messages into a mailbox as they are, in one transaction; return their UIDs.

        Raises:
            TemporaryError: nothing was kept.
        """
        if not messages:
            return ()
        names = {name.lower(): name for message in messages for name in message.keywords}
        bits = await self.keywords(mailbox, names.values())
        rows = incoming_rows(messages, bits, int(self._now()))
        size = sum(len(message.header) for message in messages)
        size += sum(message.body.size for message in messages if isinstance(message.body, InlineBody))
        (added,) = await self._writing.changes(lambda tx: [appending.append(tx, mailbox, rows)], size=size)
        return added.uids

    async def keywords(self, mailbox: int, names: Collection[str] = ()) -> dict[str, int]:
        """Return the bit of each keyword of a mailbox, by its name in lower case.

        Args:
            mailbox: which.
            names: given bits if they have none, as long as there are bits.
        """
        known = await self._database.read(lambda tx: appending.keywords(tx, mailbox))
        new = [name for name in names if name.lower() not in known]
        if not new:
            return known
        bits = await self._database.write(lambda tx: appending.add_keywords(tx, mailbox, new))
        self._views.learn_keywords(mailbox, {bits[name.lower()]: name for name in new if name.lower() in bits})
        return bits

    async def read_uidls(self, view: MailboxView) -> None:
        """Read into a view what POP3 calls messages that were brought from another server, those not read before."""
        first, end = view.uidls_read, view.uid_next
        if first < end:
            view.uidls.update(await self._database.read(lambda tx: appending.uidls(tx, view.id, first, end)))
            view.uidls_read = max(view.uidls_read, end)

    async def stored(self, mailbox: int, uids: Sequence[int]) -> dict[int, Stored]:
        """Return those messages that are there, by UID; ask for at most some 100, since small bodies come too."""
        which = json.dumps(list(uids))
        return await self._database.read(lambda tx: read_stored(tx, mailbox, which))

    async def whole(self, mailbox: int, uids: Sequence[int]) -> dict[int, bytes | None]:
        """Return the octets of messages as `stored` does; None for one whose body is in a file."""
        which = json.dumps(list(uids))
        return await self._database.read(lambda tx: read_whole(tx, mailbox, which))

    async def described(
        self, mailbox: int, uids: Sequence[int], columns: tuple[Column, ...], most: int
    ) -> Sequence[Row]:
        """Return what is wanted of messages, of as many as `most` octets allow: see `read_described`."""
        return await self._database.read(lambda tx: read_described(tx, mailbox, uids, columns, most))

    async def search(self, mailbox: int, uids: Sequence[int], sieve: Sieve) -> bytes:
        """Decide about every message of a search; return the mask of those found: see `searching.search`."""
        return await searching.search(self._database, self._bodies, mailbox, uids, sieve)

    async def gather(
        self, mailbox: int, uids: Sequence[int], columns: tuple[Column, ...], of: Callable[..., T]
    ) -> dict[int, T]:
        """Return what is made of messages, by UID: see `gathering.gather`."""
        return await gathering.gather(self._database, mailbox, uids, columns, of)

    async def read(self, stored: Stored, offset: int, size: int) -> bytes:
        """Return up to `size` octets of a message from `offset` on; shorter only at its end.

        Raises:
            TemporaryError: the body's file can't be read, or is gone with the message.
        """
        return await read_piece(self._bodies, stored, offset, size)

    async def set_flags(
        self, mailbox: int, uids: Sequence[int], *, remove: int = 0, add: int = 0, unchanged_since: int | None = None
    ) -> Flagging:
        """Change the flags of messages; of those that aren't there nothing happens.

        Args:
            mailbox: where.
            uids: whose.
            remove: the bits that are cleared; -1 for all.
            add: the bits that are set then.
            unchanged_since: only where nothing was changed after this MODSEQ; None for all.

        Raises:
            TemporaryError: the database can't be written; what was done so far stays.
        """
        wanted = Wanted(~remove, add, flagging.ANY if unchanged_since is None else unchanged_since)
        changed: list[Flagged] = []
        refused: list[int] = []
        for start in range(0, len(uids), FLAGGED_AT_ONCE):
            which = json.dumps(list(uids[start : start + FLAGGED_AT_ONCE]))

            def change(tx: Transaction, which: str = which) -> tuple[Sequence[Flagged], Flagging]:
                done = flagging.set_flags(tx, mailbox, which, wanted)
                return done.changed, done

            done = await self._writing.write(change)
            changed += done.changed
            refused += done.refused
        return Flagging(changed, refused)

    async def copy(self, source: int, uids: Sequence[int], target: int) -> Copied | Problem:
        """Copy messages from one mailbox to another, or to itself: all that are there, or none.

        Raises:
            TemporaryError: none was copied.
        """
        way = Way(source, target, int(self._now()))
        copied = await self._tasks.shield("mailbox.copy", self._transfers.copy(way, uids))
        if len(uids) > REFERRED_AT_ONCE:
            self._tasks.start("mailbox.release", self.release())
        return copied

    async def move(self, source: int, uids: Sequence[int], target: int) -> Copied | Problem:
        """Move messages from one mailbox to another, or to its end; each is in one place at any time.

        Raises:
            TemporaryError: none was moved.
        """
        way = Way(source, target, int(self._now()))
        return await self._tasks.shield("mailbox.move", self._transfers.move(way, uids))

    async def _move_all(self, source: Mailbox, target: Mailbox) -> Copied | Problem:
        way = Way(source.id, target.id, int(self._now()))
        return await self._transfers.move_all(way, source.uid_next)

    async def undo_unfinished(self) -> None:
        """Take out what copies have begun that a crash ended; when a server starts, before any is begun.

        Raises:
            TemporaryError: some of it is left.
        """
        await self._transfers.undo_unfinished()

    async def vanished(self, mailbox: int, since: int, until: int) -> Sequence[tuple[int, int]] | None:
        """Return which UIDs vanished after the MODSEQ `since` up to `until`, as ranges (RFC 7162 section 3.2.5).

        None when not all is remembered: then everything that isn't there may have vanished since.
        """
        return await self._database.read(lambda tx: remembered.vanished(tx, mailbox, since, until))

    async def tell_recent(self, mailbox: int, uid_next: int) -> int:
        r"""Return the first UID that no session was told of: from it on messages are \Recent (RFC 3501 section 2.3.2).

        Args:
            mailbox: which.
            uid_next: all UIDs below it are told to this session, and so are recent to no other.

        Raises:
            TemporaryError: the mailbox is gone, or the database can't be written.
        """
        first = await self._database.read(lambda tx: remembered.recent_from(tx, mailbox))
        if first is not None and first < uid_next:
            first = await self._database.write(lambda tx: remembered.tell(tx, mailbox, uid_next))
        if first is None:
            raise TemporaryError(MAILBOX_GONE)
        return first

    async def remove(self, mailbox: int, uids: Collection[int]) -> Sequence[int]:
        """Remove messages for good, in one transaction up to 10,000; return which of them were there.

        What they referred to is given up soon after, a piece at a time.

        Raises:
            TemporaryError: none was removed, of more than 10,000 perhaps some.
        """
        wanted, removed = sorted(uids), list[int]()
        for start in range(0, len(wanted), REMOVED_AT_ONCE):
            removed += await self._remove(mailbox, json.dumps(wanted[start : start + REMOVED_AT_ONCE]))
        if removed:
            self._tasks.start("mailbox.release", self.release())
        return removed

    async def _remove(self, mailbox: int, uids: str) -> Sequence[int]:
        def change(tx: Transaction) -> list[Removed]:
            removed = removal.remove(tx, mailbox, uids)
            return [] if removed is None else [removed]

        return [uid for removed in await self._writing.changes(change, urgent=True) for uid in removed.uids]

    async def release(self) -> None:
        """Give up what was deleted and removed: mailboxes, contents and bodies; also after a start."""
        self._release_again = True
        if self._releasing:
            return
        self._releasing = True
        try:
            while self._release_again:
                self._release_again = False
                await purge(self._database)
                await release(self._database, self._bodies)
        except TemporaryError as error:
            self.log.warn("room couldn't be given back: {reason}", reason=str(error), event="mailbox.failed")
        finally:
            self._releasing = False
