"""FETCH and UID FETCH (RFC 9051 section 6.4.5, RFC 3516, RFC 7162 section 3.1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedmail_mta.access.imap.condstore import enable_condstore
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.fetch_block import Block, block_of, found_among, index_blocks
from twistedmail_mta.access.imap.fetch_plan import Plan, plan_of
from twistedmail_mta.access.imap.fetch_values import Lines
from twistedmail_mta.access.imap.fetch_whole import WholeMessages
from twistedmail_mta.access.imap.selected import NEVER, Selected
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.fetch import Fetch, Item
from twistedmail_mta.imap.flag_list import FlagLists
from twistedmail_mta.imap.response import Response, bad, no, ok
from twistedmail_mta.imap.sequences import LARGEST, Range
from twistedmail_mta.imap.session import ServerSession
from twistedmail_mta.imap.vanished import common, gaps, vanished_line
from twistedmail_mta.mailbox.rows import Row

AT_ONCE: Final = 1000
"""Messages that are looked at together."""
FORMATTED: Final = 200
"""Items, of messages that something was read of, that are formatted together."""


async def fetch(context: Context, command: Command) -> Response:
    """Answer FETCH and UID FETCH."""
    action = command.action
    assert isinstance(action, Fetch)
    selected = context.opened
    if not action.by_uid and action.messages.exceeds(selected.exists):
        return bad("There is no message of such a number")
    if action.vanished and not context.session.qresync:
        return bad("Enable QRESYNC first")
    if Item.MODSEQ in action.items:
        enable_condstore(context)
    if action.vanished and action.changed_since is not None:
        context.session.send(vanished_line(await _vanished(context, selected, action, action.changed_since)))
    return await Fetching(context, selected, action).answer()


async def _vanished(context: Context, selected: Selected, action: Fetch, since: int) -> Sequence[Range]:
    """Return which of the UIDs that were asked for vanished (RFC 7162 section 3.2.6).

    Those of messages that the client counts still aren't among them: it is told of these when their numbers go.
    """
    view = selected.view
    asked = [(first, min(end, LARGEST)) for first, end in action.messages.ranges]
    found = await context.listener.store.vanished(selected.mailbox.id, since, view.modseq)
    if found is None or not selected.aligned:
        absent = list(gaps(selected.uids_so_far(), view.uid_next))
        found = absent if found is None else list(common(found, absent))
    return list(common(found, asked))


def _told_of_changes(session: ServerSession) -> Sequence[Item]:
    """Return what is told of a message whose flags changed (RFC 7162 section 3.2.4)."""
    return (Item.UID, Item.FLAGS, Item.MODSEQ) if session.condstore else (Item.FLAGS,)


class Fetching:
    """One FETCH under way."""

    def __init__(self, context: Context, selected: Selected, action: Fetch) -> None:
        self._context = context
        self._selected = selected
        self._action = action
        flags = FlagLists(selected.keyword_names())
        told = _told_of_changes(context.session)
        self._plan: Plan = plan_of(action.items, flags, told, read_only=selected.read_only)
        self._columns = selected.columns()
        self._recent_from = NEVER if context.session.rev2 else selected.recent_from
        self._gone = False

    async def answer(self) -> Response:
        """Tell what was asked for."""
        plan = self._plan
        whole = None if plan.values else WholeMessages(self._context, self._selected, plan)
        lines = Lines(plan.values)
        positions = self._selected.positions(self._action.messages, by_uid=self._action.by_uid)
        for indices in index_blocks(positions, AT_ONCE):
            wanted = self._wanted(indices)
            if whole is None and not plan.columns:
                await self._tell(lines, self._block(wanted))
            else:
                await self._read(wanted, lines, whole)
        return self._response(whole)

    def _response(self, whole: WholeMessages | None) -> Response:
        if whole is not None and whole.unknown_encoding:
            return no("A part is encoded in a way that nobody here knows", b"UNKNOWN-CTE")
        name = "UID FETCH" if self._action.by_uid else "FETCH"
        if self._gone and not self._action.by_uid:
            return no("Some of these messages are gone", b"EXPUNGEISSUED")
        if whole is not None and whole.unkept:
            return ok(f"{name} completed, but that you have seen it couldn't be kept")
        return ok(f"{name} completed")

    def _wanted(self, indices: Sequence[int]) -> Sequence[int]:
        """Leave out what is gone, and what wasn't changed."""
        gone, since = self._columns.gone, self._action.changed_since
        if gone:
            here = [index for index in indices if index not in gone]
            self._gone = self._gone or len(here) < len(indices)
            indices = here
        if since is not None:
            modseqs = self._columns.modseqs
            indices = [index for index in indices if modseqs[index] > since]
        return indices

    def _block(self, indices: Sequence[int], rows: Sequence[Row] = ()) -> Block:
        return block_of(self._columns, indices, self._recent_from, rows)

    async def _tell(self, lines: Lines, block: Block) -> None:
        if block.numbers:
            self._context.session.send(lines.of(block))
        await self._context.connection.room()

    async def _read(self, indices: Sequence[int], lines: Lines, whole: WholeMessages | None) -> None:
        """Read of these messages what is told, and tell it, as much at once as memory allows."""
        store, mailbox = self._context.listener.store, self._selected.mailbox.id
        while indices:
            uids = [self._columns.uids[index] for index in indices]
            rows = await store.described(mailbox, uids, self._plan.columns, self._plan.at_once)
            if not rows:
                self._gone = True
                return
            places, count = found_among(uids, rows)
            self._gone = self._gone or len(places) < count
            found = [indices[place] for place in places]
            if whole is not None:
                await whole.tell(self._block(found, rows))
                self._gone = self._gone or whole.gone
            else:
                step = max(1, FORMATTED // len(self._plan.values))
                for start in range(0, len(rows), step):
                    end = start + step
                    await self._tell(lines, self._block(found[start:end], rows[start:end]))
            indices = indices[count:]
