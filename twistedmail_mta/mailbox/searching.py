"""Asks messages what only their rows and bodies can answer: a slice at a time, on the readers' threads."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import itemgetter
from typing import Final

from twistedmail_mta.imap.masks import mask_of, number_of, spread
from twistedmail_mta.imap.search_key import Contains
from twistedmail_mta.imap.search_rows import Need, ask, need
from twistedmail_mta.imap.search_texts import TextSearch
from twistedmail_mta.imap.sieve import Sieve
from twistedmail_mta.interfaces import IBodyStore, IDatabase, Transaction
from twistedmail_mta.mailbox.described import Column, read_described
from twistedmail_mta.model import FileBody

ROWS: Final = 1000
"""Messages whose rows are read in one transaction; fewer where each is asked more than one key."""
LEAST_ROWS: Final = 20
OCTETS: Final = 1024 * 1024
"""Octets of headers and small bodies that are read and searched in one transaction: some 10 ms of a thread."""
BLOCK: Final = 256 * 1024
"""Octets of a large body that are read and searched at once; fewer where many texts are looked for."""
LEAST: Final = 16 * 1024
"""Octets of either that are worth a transaction, however many texts are looked for."""

_COLUMNS: Final = {
    Need.INTERNAL_DATE: (Column.INTERNAL_DATE,),
    Need.ENVELOPE: (Column.ENVELOPE,),
    Need.HEAD: (Column.PREFIX, Column.HEADER),
}
_WHOLE: Final = (Column.PREFIX, Column.HEADER, Column.PARTS, Column.BODY_SIZE, Column.FILE, Column.OCTETS)


async def search(database: IDatabase, bodies: IBodyStore, mailbox: int, uids: Sequence[int], sieve: Sieve) -> bytes:
    """Decide about every message; return the mask of those found.

    Messages that are no longer there aren't.  Others go on in between.

    Args:
        database: where the rows are.
        bodies: where large bodies are.
        mailbox: which.
        uids: of the messages in the sieve.
        sieve: with what is known of them; stays as it is.

    Raises:
        TemporaryError: something can't be read.
    """
    found = bytearray(sieve.found)
    waiting = list(compress(range(sieve.count), sieve.undecided))
    size = max(LEAST_ROWS, ROWS // max(1, len(sieve.unknown())))
    for start in range(0, len(waiting), size):
        places = waiting[start : start + size]
        some = _Slice(database, bodies, mailbox, [uids[place] for place in places], sieve.part(*_picker(places)))
        for place in compress(places, await some.decide()):
            found[place] = 1
    return bytes(found)


def _picker(places: Sequence[int]) -> tuple[Callable[[bytes], bytes], int]:
    if len(places) == 1:
        return lambda mask: mask[places[0] : places[0] + 1], 1
    pick = itemgetter(*places)
    return lambda mask: bytes(pick(mask)), len(places)


@dataclass(frozen=True, slots=True)
class _Slice:
    """Messages that are searched together.

    On the readers' threads it changes nothing but the sieve, while the
    coroutine waits for that.
    """

    database: IDatabase
    bodies: IBodyStore
    mailbox: int
    uids: Sequence[int]
    sieve: Sieve

    async def decide(self) -> bytes:
        """Ask the cheapest keys first, and only as long as something is undecided; return who was found."""
        for what in Need:
            leaves = self._leaves(what)
            if leaves and not self.sieve.decided:
                await (self._ask_texts(leaves) if what is Need.BODY else self._ask_rows(leaves, _COLUMNS[what]))
        return self.sieve.found

    def _leaves(self, what: Need) -> list[int]:
        return [leaf for leaf in self.sieve.unknown() if need(self.sieve.plan.leaves[leaf]) is what]

    def _undecided(self) -> list[int]:
        return list(compress(self.uids, self.sieve.undecided))

    async def _ask_rows(self, leaves: Sequence[int], columns: tuple[Column, ...]) -> None:
        waiting = self._undecided()
        while waiting:
            uids = waiting
            last = await self.database.read(lambda tx, uids=uids: self._ask_some(tx, uids, leaves, columns))  # type: ignore[misc]
            waiting = uids[bisect_right(uids, last) :]

    def _ask_some(
        self, tx: Transaction, uids: Sequence[int], leaves: Sequence[int], columns: tuple[Column, ...]
    ) -> int:
        """Ask keys of as many messages as are read at once; return the UID up to which there was an answer."""
        rows = read_described(tx, self.mailbox, uids, columns, most=OCTETS)
        values = {row[0]: row[1] if len(row) == 2 else row[1] + row[2] for row in rows}
        last = self._drop_gone(uids, values)
        read = number_of(self._mask(values))
        for leaf in leaves:
            where = mask_of(number_of(self.sieve.undecided) & read, self.sieve.count)
            asked = [values[uid] for uid in compress(self.uids, where)]
            if asked:
                self.sieve.learn(leaf, spread(ask(self.sieve.plan.leaves[leaf])(asked), where), where)
        return last

    async def _ask_texts(self, leaves: Sequence[int]) -> None:
        keys = [key for key in map(self.sieve.plan.leaves.__getitem__, leaves) if isinstance(key, Contains)]
        block = max(min(BLOCK, LEAST), BLOCK // len(keys))
        waiting = self._undecided()
        while waiting:
            uids = waiting
            small, large = await self.database.read(lambda tx, uids=uids: self._look_at_some(tx, uids, keys))  # type: ignore[misc]
            for texts, body in large.values():
                await self._look_at_file(texts, body, block)
            answers = small | {uid: texts.answers for uid, (texts, _) in large.items()}
            waiting = uids[bisect_right(uids, self._drop_gone(uids, answers)) :]
            where = self._mask(answers)
            for place, leaf in enumerate(leaves):
                self.sieve.learn(leaf, self._mask([uid for uid, found in answers.items() if found[place]]), where)

    def _look_at_some(
        self, tx: Transaction, uids: Sequence[int], keys: Sequence[Contains]
    ) -> tuple[dict[int, list[bool]], dict[int, tuple[TextSearch, FileBody]]]:
        """Search as many messages as are read at once; return answers by UID, and searches left to do in files."""
        small: dict[int, list[bool]] = {}
        large: dict[int, tuple[TextSearch, FileBody]] = {}
        most = max(min(OCTETS, LEAST), OCTETS // len(keys))
        for uid, prefix, header, parts, size, file, octets in read_described(tx, self.mailbox, uids, _WHOLE, most):
            texts = TextSearch(keys, prefix + header, parts, size)
            if file is not None and not texts.done:
                large[uid] = texts, FileBody(file, size)
                continue
            if not texts.done:
                texts.look(octets, 0)
                texts.end()
            small[uid] = texts.answers
        return small, large

    async def _look_at_file(self, texts: TextSearch, body: FileBody, size: int) -> None:
        """Search a body in a file; of parts that aren't text nothing is read."""
        while not texts.done:
            at = texts.wanted
            block = await self.bodies.read(body, at, size)
            if not block:
                texts.end()
                return
            await self.database.read(lambda _, block=block, at=at: texts.look(block, at))  # type: ignore[misc]

    def _drop_gone(self, uids: Sequence[int], found: Collection[int]) -> int:
        """Drop messages that should have been read and weren't; return the UID up to which all were read."""
        last = uids[-1]
        if len(found) < len(uids):
            last = max(found, default=last)
            self.sieve.drop(self._mask({uid for uid in uids if uid <= last}.difference(found)))
        return last

    def _mask(self, chosen: Collection[int]) -> bytes:
        chosen = chosen if isinstance(chosen, dict) else set(chosen)
        return bytes([uid in chosen for uid in self.uids])
