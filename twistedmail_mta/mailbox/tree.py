"""The mailboxes of accounts by their names: made, renamed and deleted, and subscribed to (RFC 9051 section 6.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.mail.mailbox_names import INBOX, mailbox_name
from twistedmail_mta.mailbox import hierarchy, mailboxes
from twistedmail_mta.mailbox.hierarchy import Names
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.problem import Problem
from twistedmail_mta.mailbox.transfers import Copied
from twistedmail_mta.tasks import TaskGroup


class MailboxTree:
    """Names as clients give them, in any spelling that `mailbox_name` knows.

    What is refused is a `Problem`.  Every method raises TemporaryError when the
    database can't be read or written, or the account is gone; nothing was done
    then.
    """

    def __init__(
        self,
        database: IDatabase,
        tasks: TaskGroup,
        now: Callable[[], float],
        gone: Callable[[int], None],
        move_all: Callable[[Mailbox, Mailbox], Awaitable[Copied | Problem]],
    ) -> None:
        """Change names in a database.

        Args:
            database: where the rows are.
            tasks: what mustn't end with who asked for it runs here.
            now: seconds since the epoch.
            gone: told of each mailbox that was deleted, to purge it.
            move_all: moves all messages of a mailbox, as it was read, to another.
        """
        self._database = database
        self._tasks = tasks
        self._now = now
        self._gone = gone
        self._move_all = move_all

    async def names(self, account: int) -> Names:
        """Return the names of all mailboxes of an account, and those it is subscribed to."""
        return await self._database.read(lambda tx: hierarchy.names(tx, account))

    async def create(self, account: int, name: str, uses: Sequence[str] = ()) -> Mailbox | Problem:
        r"""Make a mailbox, and those above it that aren't there.

        Args:
            account: whose.
            name: what it is to be called.
            uses: what it is to be for (RFC 6154), such as `\Sent` in any case; at most one is possible.
        """
        kept, use, now = _kept(name), hierarchy.use_of(uses), int(self._now())
        if kept is None or isinstance(use, Problem):
            return Problem.BAD_NAME if kept is None else Problem.BAD_USE
        return await self._database.write(lambda tx: hierarchy.create(tx, account, kept, use, now))

    async def delete(self, account: int, name: str) -> Problem | None:
        """Delete a mailbox with its mail; those below it stay.

        It is out of sight at once, also for those who have it open; what it
        used is given up soon after, or after the next start.
        """
        kept = _kept(name)
        if kept is None or kept == INBOX:
            return Problem.MISSING if kept is None else Problem.IS_INBOX
        return await self._tasks.shield("mailbox.delete", self._delete(account, kept))

    async def _delete(self, account: int, name: str) -> Problem | None:
        mailbox = await self._database.write(lambda tx: hierarchy.hide(tx, account, name), urgent=True)
        if mailbox is None:
            return Problem.MISSING
        self._gone(mailbox)
        return None

    async def rename(self, account: int, old: str, new: str) -> Problem | None:
        """Rename a mailbox and those below it.

        INBOX stays: its messages are moved, and those that aren't when that fails are still in it (RFC 9051
        section 6.3.6).
        """
        before, after, now = _kept(old), _kept(new), int(self._now())
        if before is None or after is None:
            return Problem.MISSING if before is None else Problem.BAD_NAME
        if before == INBOX:
            return await self._tasks.shield("mailbox.rename", self._move_inbox(account, after))
        return await self._database.write(lambda tx: hierarchy.rename(tx, account, before, after, now))

    async def _move_inbox(self, account: int, new: str) -> Problem | None:
        target = await self.create(account, new)
        if isinstance(target, Problem):
            return target
        inbox = await self._database.read(lambda tx: mailboxes.named(tx, account, INBOX))
        if inbox is None:
            return Problem.MISSING
        moved = await self._move_all(inbox, target)
        return moved if isinstance(moved, Problem) else None

    async def subscribe(self, account: int, name: str) -> Problem | None:
        """Subscribe an account to a name, whether there is such a mailbox or not."""
        kept = _kept(name)
        if kept is None:
            return Problem.BAD_NAME
        return await self._database.write(lambda tx: hierarchy.subscribe(tx, account, kept))

    async def unsubscribe(self, account: int, name: str) -> None:
        """Subscribe an account to a name no more."""
        kept = _kept(name)
        if kept is not None:
            await self._database.write(lambda tx: hierarchy.unsubscribe(tx, account, kept))


def _kept(name: str) -> str | None:
    """Return a name as it is kept; None when no mailbox can have it."""
    try:
        return mailbox_name(name)
    except ValueError:
        return None
