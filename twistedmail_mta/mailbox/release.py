"""Gives back what removed messages used, a piece at a time."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.interfaces import IBodyStore, IDatabase
from twistedmail_mta.mailbox import removal

RELEASED_AT_ONCE: Final = 100
"""Contents that are given up in one transaction."""


async def release(database: IDatabase, bodies: IBodyStore) -> None:
    """Give up the contents and bodies of messages that were removed.

    Safe to run twice at once, and in several processes.

    Raises:
        TemporaryError: the rest is left for the next time.
    """
    count = RELEASED_AT_ONCE
    while count == RELEASED_AT_ONCE:
        count, files = await database.write(lambda tx: removal.release(tx, RELEASED_AT_ONCE), urgent=True)
        if files:
            await bodies.remove(files)
