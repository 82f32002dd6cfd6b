"""The views of this process: opened once, shared by all sessions, kept current, and cached."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.mailbox import reading
from twistedmail_mta.mailbox.change import Change
from twistedmail_mta.mailbox.reading import News
from twistedmail_mta.mailbox.replies import MAILBOX_GONE
from twistedmail_mta.mailbox.rows import Row
from twistedmail_mta.mailbox.snapshot import keep_snapshot, snapshot_row
from twistedmail_mta.mailbox.view import UNKNOWN, MailboxView
from twistedmail_mta.tasks import Task, TaskGroup

IDLE_VIEWS: Final = 1000
"""Views that nobody looks at and that are kept all the same."""

IDLE_MESSAGES: Final = 1_000_000
"""How many messages those may have in all, at 28 octets each."""

SNAPSHOT_AFTER: Final = 500
"""Changed messages after which a snapshot is worth its writing; of a large mailbox, a tenth of it."""

GONE: Final = 1 << 62
"""Stands for the MODSEQ of a mailbox that was deleted: no view has it."""


@dataclass(slots=True)
class _Entry:
    """A view and what is known about it.

    Attributes:
        holders: how many look at it.
        wanted: a MODSEQ that is known to exist, while the view may not have it.
        busy: something catches it up.
        reading: what does.
        meanwhile: changes that were heard of during that.
        unsaved: messages that changed since the snapshot.
    """

    view: MailboxView
    holders: int = 0
    wanted: int = 0
    busy: bool = False
    reading: Task[None] | None = None
    unsaved: int = 0
    meanwhile: list[Change] = field(default_factory=list)


class Views:
    """Keeps one view for each open mailbox, and some more."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, database: IDatabase, tasks: TaskGroup, idle_views: int = IDLE_VIEWS) -> None:
        """Begin with none.

        Args:
            database: what views are read from.
            tasks: reading and writing of snapshots runs here.
            idle_views: how many are kept when nobody looks at them.
        """
        self._database = database
        self._tasks = tasks
        self._idle_views = idle_views
        self._idle_messages = 0
        self._entries: dict[int, _Entry] = {}
        self._idle: OrderedDict[int, int] = OrderedDict()

    async def open(self, mailbox: int) -> MailboxView:
        """Return the view of a mailbox, current; `leave` gives it back.

        Raises:
            TemporaryError: it can't be read now, or there is no such mailbox any more.
        """
        entry = self._entries.get(mailbox)
        if entry is None:
            entry = self._entries[mailbox] = _Entry(MailboxView(mailbox))
        self._hold(entry)
        try:
            await self._current(entry)
        except BaseException:
            self._release(entry)
            raise
        return entry.view

    def leave(self, view: MailboxView) -> None:
        """Give a view back."""
        entry = self._entries.get(view.id)
        if entry is not None and entry.view is view:
            self._release(entry)

    def note(self, changes: Iterable[Change]) -> None:
        """Hear of commits of this process, in their order."""
        for change in changes:
            entry = self._entries.get(change.mailbox)
            if entry is not None:
                self._take(entry, change)

    def _take(self, entry: _Entry, change: Change) -> None:
        if entry.busy:
            entry.meanwhile.append(change)
        elif not entry.wanted and entry.view.follows(change):
            entry.unsaved += len(change.uids)
            entry.view.apply(change)
        else:
            self._heard_of(entry, change.modseq)

    def learn_keywords(self, mailbox: int, names: Mapping[int, str]) -> None:
        """Hear which bits stand for which keywords."""
        entry = self._entries.get(mailbox)
        if entry is not None:
            entry.view.keywords = {**entry.view.keywords, **names}

    def look(self, mailbox: int, modseq: int) -> None:
        """Hear that another process has changed a mailbox."""
        entry = self._entries.get(mailbox)
        if entry is not None:
            self._heard_of(entry, modseq)

    async def look_at_all(self) -> None:
        """Catch up with whatever other processes have changed.

        Raises:
            TemporaryError: the database can't be read now.
        """
        mailboxes = json.dumps(list(self._entries))
        found = await self._database.read(lambda tx: reading.sequences(tx, mailboxes))
        for mailbox in json.loads(mailboxes):
            self.look(mailbox, found.get(mailbox, GONE))

    def _heard_of(self, entry: _Entry, modseq: int) -> None:
        """Remember that there is a MODSEQ, and read up to it if nobody does."""
        if modseq > entry.view.modseq and not entry.view.gone:
            entry.wanted = max(entry.wanted, modseq)
            if not entry.busy and entry.view.modseq != UNKNOWN:
                self._read(entry)

    async def _current(self, entry: _Entry) -> None:
        if entry.busy and entry.reading is not None:
            await entry.reading
        elif entry.view.modseq == UNKNOWN or entry.wanted > entry.view.modseq:
            await self._read(entry)
        if entry.view.gone:
            raise TemporaryError(MAILBOX_GONE)

    def _read(self, entry: _Entry) -> Task[None]:
        entry.busy = True
        entry.reading = task = self._tasks.shield("mailbox.view", self._catch_up(entry))
        return task

    async def _catch_up(self, entry: _Entry) -> None:
        """Read what is missing; what is heard of meanwhile comes after it."""
        view = entry.view
        entry.wanted = max(entry.wanted, view.modseq + 1)  # until all is read: what was read so far has holes
        try:
            read, gone = await self._read_up(entry)
        except TemporaryError as error:
            self.log.warn("a mailbox couldn't be read: {reason}", reason=str(error), event="mailbox.failed")
            raise
        finally:
            entry.busy = False
            meanwhile, entry.meanwhile = entry.meanwhile, []
        entry.wanted = 0
        view.become(read, gone=gone)
        for change in meanwhile:
            self._take(entry, change)
        self._save_soon(entry)

    async def _read_up(self, entry: _Entry) -> tuple[MailboxView, bool]:
        """Return the view as it should be, and whether its mailbox is gone."""
        view = entry.view
        read = view if view.modseq != UNKNOWN else await self._from_snapshot(view.id)
        wanted = entry.wanted
        while (news := await self._news(read)) is not None:
            if news.forgotten:
                read = MailboxView(view.id)
                continue
            entry.unsaved += read.learn(news)
            if not news.more and entry.wanted == wanted:
                return read, False
            wanted = entry.wanted
        return read, True

    async def _from_snapshot(self, mailbox: int) -> MailboxView:
        arrays = await self._database.read(lambda tx: reading.snapshot(tx, mailbox))
        return MailboxView(mailbox, arrays)

    async def _news(self, view: MailboxView) -> News | None:
        mailbox, modseq, uid_next = view.id, view.modseq, view.uid_next
        return await self._database.read(lambda tx: reading.news(tx, mailbox, modseq, uid_next))

    def _hold(self, entry: _Entry) -> None:
        entry.holders += 1
        self._idle_messages -= self._idle.pop(entry.view.id, 0)

    def _release(self, entry: _Entry) -> None:
        entry.holders -= 1
        if entry.holders:
            return
        mailbox, messages = entry.view.id, len(entry.view)
        if entry.view.gone or entry.view.modseq == UNKNOWN:
            del self._entries[mailbox]
            return
        self._save_soon(entry)
        self._idle[mailbox] = messages
        self._idle_messages += messages
        while len(self._idle) > self._idle_views or self._idle_messages > IDLE_MESSAGES:
            oldest, messages = self._idle.popitem(last=False)
            self._idle_messages -= messages
            del self._entries[oldest]

    def _save_soon(self, entry: _Entry) -> None:
        if entry.unsaved >= max(SNAPSHOT_AFTER, len(entry.view) // 10) and not entry.busy:
            entry.unsaved = 0
            self._tasks.start("mailbox.snapshot", self._save(snapshot_row(entry.view)))

    async def _save(self, row: Row) -> None:
        try:
            await self._database.write(lambda tx: keep_snapshot(tx, row))
        except TemporaryError as error:
            self.log.warn("a snapshot couldn't be kept: {reason}", reason=str(error), event="mailbox.failed")
