r"""Tells of messages one by one, where their text is among what was asked for; sets \Seen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.fetch_block import Block
from twistedmail_mta.access.imap.fetch_line import ROOM, LineWriter
from twistedmail_mta.access.imap.fetch_message import MessageReader, MessageText
from twistedmail_mta.access.imap.fetch_plan import Plan
from twistedmail_mta.access.imap.fetch_texts import TextItem, UnknownEncoding
from twistedmail_mta.access.imap.fetch_values import Value
from twistedmail_mta.access.imap.selected import Selected
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.mailbox.change import Flagged
from twistedmail_mta.mailbox.described import Column
from twistedmail_mta.mailbox.flags import SEEN

ITEMS: Final = 100
"""Items after which others have their turn, if it is theirs."""


class WholeMessages:
    r"""The part of a FETCH that reads bodies, or changes flags.

    Attributes:
        unknown_encoding: something couldn't be decoded, and was left out.
        gone: a message was removed, and left out.
        unkept: \Seen couldn't be set; what was asked for is told all the same, for people want to read their mail
            also while nothing can be written.
    """

    def __init__(self, context: Context, selected: Selected, plan: Plan) -> None:
        self._context = context
        self._selected = selected
        self._plan = plan
        self._line = LineWriter(context.session, context.connection)
        reads = Column.OCTETS in plan.columns
        self._written = 0
        self._reader = MessageReader(context.listener.store, plan.columns) if reads else None
        self.unknown_encoding = False
        self.gone = False
        self.unkept = False

    async def tell(self, block: Block) -> None:
        """Tell of some messages.

        Raises:
            MailError: something can't be read now; if half a line was sent, the connection is broken off.
        """
        changes = await self._set_seen(block)
        changed = {
            uid: (change.modseq, flags)
            for change in changes
            for uid, flags in zip(change.uids, change.flags, strict=True)
        }
        try:
            await self._tell(_with(block, changed) if changed else block, changed)
        except BaseException:
            if self._line.under_way:
                self._context.connection.abort("a message couldn't be read while it was sent")
            raise
        for change in changes:
            self._selected.told(change.modseq, change.uids, modseq_too=True)

    async def _set_seen(self, block: Block) -> Sequence[Flagged]:
        r"""Set \Seen where it isn't; return what that changed."""
        if not self._plan.sets_seen or self.unkept:
            return ()
        unseen = [uid for uid, flags in zip(block.uids, block.flags, strict=True) if not flags & SEEN]
        if not unseen:
            return ()
        try:
            flagging = await self._context.listener.store.set_flags(self._selected.mailbox.id, unseen, add=SEEN)
        except TemporaryError:
            self.unkept = True
            return ()
        return flagging.changed

    async def _tell(self, block: Block, changed: Mapping[int, object]) -> None:
        items = [_Column(item, block) for item in self._plan.items]
        extended = [*items, *(_Column(item, block) for item in self._plan.changed)] if changed else items
        for place, uid in enumerate(block.uids):
            self._line.begin(block.numbers[place])
            message = None if self._reader is None else self._reader.message(block.rows[place])
            try:
                for item in extended if uid in changed else items:
                    await self._write(item, place, message)
            except MailError:
                if self._line.under_way or self._selected.view.place(uid) is not None:
                    raise
                self.gone = True  # with its file, after its row was read
                continue
            self._line.end()
            if self._context.session.queued >= ROOM:
                await self._line.room()
        await self._line.room()

    async def _write(self, item: _Column, place: int, message: MessageText | None) -> None:
        if item.text is None:
            self._line.item(item.words % item.values[place])
        elif message is not None:
            try:
                await item.text.write(message, self._line)
            except UnknownEncoding:
                self.unknown_encoding = True
        self._written += 1
        if self._line.size >= ROOM or not self._written % ITEMS:
            await self._line.room()


class _Column:
    """An item, and its values for a block if it is of that kind."""

    __slots__ = ("text", "values", "words")

    def __init__(self, item: Value | TextItem, block: Block) -> None:
        self.values: Sequence[int] | Sequence[bytes] = ()
        self.text: TextItem | None = None
        self.words = b""
        if isinstance(item, Value):
            self.words = item.directives
            self.values = item.of(block)
        else:
            self.text = item


def _with(block: Block, changed: Mapping[int, tuple[int, int]]) -> Block:
    """Return the block with other mod-sequences and flags, given by UID."""
    modseqs, flags = list(block.modseqs), list(block.flags)
    for place, uid in enumerate(block.uids):
        if uid in changed:
            modseqs[place], flags[place] = changed[uid]
    return replace(block, modseqs=modseqs, flags=flags)
