"""What operators have suspended, as the queue knows it."""

from __future__ import annotations

from twistedmail_mta.interfaces import ISpool
from twistedmail_mta.model import Address, Message, NextHop, Route, Suspended
from twistedmail_mta.routes import hop_text

_ALL = Suspended("all")


class Suspensions:
    """Tells which mail is not to be tried now; read from the spool now and then, and when something changed.

    Attributes:
        known: they were read since an operator was last heard of.
    """

    __slots__ = ("_ids", "_spool", "known")

    def __init__(self, spool: ISpool) -> None:
        self._spool = spool
        self._ids: dict[Suspended, int] = {}
        self.known = False

    async def refresh(self) -> bool:
        """Read them again; return whether something changed.

        Raises:
            TemporaryError: they stay as they were.
        """
        before, self.known = self._ids, True
        try:
            self._ids = {each.what: each.id for each in await self._spool.suspensions()}
        except BaseException:
            self.known = False
            raise
        return self._ids != before

    def of(self, message: Message, recipient: Address, route: Route | None) -> int | None:
        """Return the suspension that keeps a recipient from being tried, or None."""
        if not self._ids:
            return None
        for what in (_ALL, Suspended("domain", recipient.domain), *_more(message, route)):
            found = self._ids.get(what)
            if found is not None:
                return found
        return None


def _more(message: Message, route: Route | None) -> list[Suspended]:
    found = [] if message.origin.account is None else [Suspended("account", message.origin.account)]
    return [*found, Suspended("lane", hop_text(route))] if isinstance(route, NextHop) else found
