"""Gives back what removed messages used, a piece at a time."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.interfaces import IBodyStore, IDatabase
from twistedmail_mta.mailbox import removal

RELEASED_AT_ONCE: Final = 100
"""Contents that are given up in one transaction."""

OCTETS_AT_ONCE: Final = 1024 * 1024
"""Octets of bodies that are rows, after which a transaction ends."""


async def release(database: IDatabase, bodies: IBodyStore) -> None:
    """Give up the contents and bodies of messages that were removed.

    Safe to run twice at once, and in several processes.

    Raises:
        TemporaryError: the rest is left for the next time.
    """
    more = True
    while more:
        more, files = await database.write(
            lambda tx: removal.release(tx, RELEASED_AT_ONCE, OCTETS_AT_ONCE), urgent=True
        )
        if files:
            await bodies.remove(files)
