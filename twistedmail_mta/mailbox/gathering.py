"""Works something out of the rows of many messages: a slice at a time, on the readers' threads."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.mailbox.described import Column, read_described

T = TypeVar("T")

ROWS: Final = 500
"""Messages of a slice: some milliseconds of work."""
OCTETS: Final = 1024 * 1024
"""Octets that are read for a slice."""


async def gather(
    database: IDatabase, mailbox: int, uids: Sequence[int], columns: tuple[Column, ...], of: Callable[..., T]
) -> dict[int, T]:
    """Return for each message that is there what `of` makes of its columns, by UID.

    Args:
        database: where the rows are.
        mailbox: which.
        uids: of the messages, ascending.
        columns: what is read.
        of: pure; gets the values of the columns.

    Raises:
        TemporaryError: they can't be read now.
    """

    def work(tx: Transaction, wanted: Sequence[int]) -> dict[int, T]:
        rows: list[Any] = read_described(tx, mailbox, wanted, columns, OCTETS)
        return {uid: of(*values) for uid, *values in rows}

    found: dict[int, T] = {}
    start = 0
    while start < len(uids):
        some = uids[start : start + ROWS]
        made = await database.read(lambda tx, some=some: work(tx, some))  # type: ignore[misc]
        found.update(made)
        last = some[-1] if len(made) == len(some) else max(made, default=some[-1])
        start = bisect_right(uids, last, start)
    return found
