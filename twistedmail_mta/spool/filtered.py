"""Mail that is with a content filter at this moment: what comes back is known by it."""

from __future__ import annotations

from typing import Final

from zope.interface import implementer

from twistedmail_mta.interfaces import IDatabase, IOrigins
from twistedmail_mta.model import Origin
from twistedmail_mta.routes import FILTER

_WITH_FILTER: Final = """
SELECT protocol, peer, helo, account, listener FROM message WHERE id = ?1 AND EXISTS (
    SELECT 1 FROM recipient WHERE message = ?1 AND owner IS NOT NULL AND substr(via, 1, ?3) = ?2
)
"""


@implementer(IOrigins)
class FilteredMail:
    """Looks into the spool: a filter answers the end of a message only when it has given it back."""

    def __init__(self, database: IDatabase) -> None:
        self._database = database

    async def origin(self, message_id: int) -> Origin | None:
        """See `IOrigins.origin`."""
        values = message_id, FILTER, len(FILTER)
        rows = await self._database.read(lambda tx: list(tx.execute(_WITH_FILTER, values)))
        return next((Origin(*row) for row in rows), None)
