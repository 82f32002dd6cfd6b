"""Mail that is with a content filter at this moment: what comes back is known by it."""

from __future__ import annotations

from typing import Final

from zope.interface import implementer

from twistedmail_mta.interfaces import IDatabase, IFilteredMail, Transaction
from twistedmail_mta.model import Address, Former, Origin
from twistedmail_mta.routes import FILTER
from twistedmail_mta.tags import unpacked

_MESSAGE: Final = "SELECT tags, protocol, peer, helo, account, listener FROM message WHERE id = ?"

_WITH_FILTER: Final = """
SELECT local, domain, mailbox FROM recipient WHERE message = ?1 AND owner IS NOT NULL AND substr(via, 1, ?3) = ?2
"""


@implementer(IFilteredMail)
class FilteredMail:
    """Looks into the spool: a filter answers the end of a message only when it has given it back."""

    def __init__(self, database: IDatabase) -> None:
        self._database = database

    async def former(self, message_id: int) -> Former | None:
        """See `IFilteredMail.former`."""
        return await self._database.read(lambda tx: _former(tx, message_id))


def _former(tx: Transaction, message_id: int) -> Former | None:
    recipients = list(tx.execute(_WITH_FILTER, (message_id, FILTER, len(FILTER))))
    if not recipients:
        return None
    mailboxes = {Address(local, domain): mailbox for local, domain, mailbox in recipients if mailbox is not None}
    for tags, *origin in tx.execute(_MESSAGE, (message_id,)):
        return Former(Origin(*origin), unpacked(tags), mailboxes)
    return None
