"""Messages copied and moved from mailbox to mailbox, as many as there are: slice after slice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.mailbox import copying
from twistedmail_mta.mailbox.change import Change
from twistedmail_mta.mailbox.copying import Slice, Way
from twistedmail_mta.mailbox.problem import Problem
from twistedmail_mta.mailbox.views import Views
from twistedmail_mta.mailbox.writing import Writing

COPIED_AT_ONCE: Final = 2000
"""Messages copied in one transaction."""

MOVED_AT_ONCE: Final = 1000
"""Messages moved in one transaction."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy or a move did (RFC 4315 section 3, COPYUID).

    Attributes:
        uid_validity: of the target.
        sources: the UIDs that messages had, ascending; those that were gone are missing.
        targets: those they have in the target, at the same places, ascending.
        failure: why not all of a move was done; the others are where they were.
    """

    uid_validity: int
    sources: Sequence[int]
    targets: Sequence[int]
    failure: TemporaryError | None = None


class Transfers:
    """Copies and moves; whoever asked may go away meanwhile."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, database: IDatabase, writing: Writing, views: Views) -> None:
        """Read from a database, write as others do, and tell views of keywords that are new to them."""
        self._database = database
        self._writing = writing
        self._views = views

    async def copy(self, way: Way, uids: Sequence[int]) -> Copied | Problem:
        """Copy all of these messages that are there, or none (RFC 9051 section 6.4.7).

        Raises:
            TemporaryError: none was copied.
        """
        done: list[Slice] = []
        slices = [uids[start : start + COPIED_AT_ONCE] for start in range(0, len(uids), COPIED_AT_ONCE)]
        try:
            for number, part in enumerate(slices, 1):
                last = number == len(slices)
                firsts = [each.targets[0] for each in done]
                found = await self._writing.write(partial(_copy_slice, way, _named(way, part, done), firsts, last))
                if found is None:
                    await self._undo(way, done)
                    return Problem.MISSING
                self._views.learn_keywords(way.target, found.keywords)
                done += [found] if found.sources or last else []
        except TemporaryError:
            await self._undo(way, done)
            raise
        return _all(done)

    async def _undo(self, way: Way, done: Sequence[Slice]) -> None:
        """Take out what was copied; what can't be now is after the next start."""
        try:
            for each in reversed(done):
                await self._take_out(way.target, each.targets[0], each.targets[-1])
        except TemporaryError as error:
            self.log.warn("a copy couldn't be taken back: {reason}", reason=str(error), event="mailbox.failed")

    async def _take_out(self, target: int, first: int, last: int) -> None:
        await self._writing.changes(lambda tx: copying.undo(tx, target, first, last), urgent=True)

    async def undo_unfinished(self) -> None:
        """Take out what copies have begun that a crash ended; before any is begun.

        Raises:
            TemporaryError: some of it is left.
        """
        for mailbox, first, last in await self._database.read(copying.unfinished):
            await self._take_out(mailbox, first, last)

    async def move(self, way: Way, uids: Sequence[int]) -> Copied | Problem:
        """Move those of these messages that are there; each is in one place at any time (RFC 9051 section 6.4.8).

        Raises:
            TemporaryError: none was moved.
        """
        done: list[Slice] = []
        for start in range(0, len(uids), MOVED_AT_ONCE):
            part = _named(way, uids[start : start + MOVED_AT_ONCE], done)
            try:
                found = await self._writing.write(partial(_move_slice, way, part))
            except TemporaryError as error:
                if not done:
                    raise
                return _all(done, error)
            if found is None:
                return _all(done) if done else Problem.MISSING
            self._views.learn_keywords(way.target, found.keywords)
            done.append(found)
        return _all(done)

    async def move_all(self, way: Way, below: int) -> Copied | Problem:
        """Move all messages whose UIDs are below this one; see `move`."""
        done: list[Copied] = []
        while uids := await self._database.read(lambda tx: copying.uids(tx, way.source, below, MOVED_AT_ONCE)):
            moved = await self.move(way, uids)
            if isinstance(moved, Problem):
                return moved
            done.append(moved)
        return _all(done)


def _named(way: Way, uids: Sequence[int], done: Sequence[Slice]) -> str:
    """Return UIDs as a JSON array, without those that this very copy has given."""
    first = next((each.targets[0] for each in done if each.targets), None)
    if way.source == way.target and first is not None:
        return json.dumps([uid for uid in uids if uid < first])
    return json.dumps(list(uids))


def _all(done: Sequence[Slice | Copied], failure: TemporaryError | None = None) -> Copied:
    validity = done[-1].uid_validity if done else 0
    sources = list(chain.from_iterable([each.sources for each in done]))
    targets = list(chain.from_iterable([each.targets for each in done]))
    return Copied(validity, sources, targets, failure)


def _copy_slice(
    way: Way, uids: str, firsts: Sequence[int], last: bool, tx: Transaction
) -> tuple[Sequence[Change], Slice | None]:
    found = copying.copy(tx, way, uids)
    if found is None:
        return (), None
    if last:
        copying.end(tx, way.target, firsts)
    elif found.sources:
        copying.begin(tx, way.target, found)
    return found.changes, found


def _move_slice(way: Way, uids: str, tx: Transaction) -> tuple[Sequence[Change], Slice | None]:
    found = copying.move(tx, way, uids)
    return ((), None) if found is None else (found.changes, found)
