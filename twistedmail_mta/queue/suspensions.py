"""What operators have suspended, as the queue knows it."""

from __future__ import annotations

from twistedmail_mta.interfaces import ILanePlan, ISpool
from twistedmail_mta.model import Address, Message, NextHop, Route, Suspended
from twistedmail_mta.routes import hop_text

_ALL = Suspended("all")


class Suspensions:
    """Tells which mail is not to be tried now; read from the spool now and then, and when something changed.

    Attributes:
        known: they were read since an operator was last heard of.
    """

    __slots__ = ("_ids", "_plan", "_spool", "known")

    def __init__(self, spool: ISpool, plan: ILanePlan) -> None:
        self._spool = spool
        self._plan = plan
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

    def of(self, message: Message, recipient: Address, route: Route | None, lane: str | None = None) -> int | None:
        """Return the suspension that keeps a recipient from being tried, or None.

        Args:
            message: whose recipient it is.
            recipient: who.
            route: the way there.
            lane: the lane it is in; None: the one that the plan knows, if it knows one by now.
        """
        if not self._ids:
            return None
        account = message.origin.account
        named = [_ALL, Suspended("domain", recipient.domain)]
        named += [] if account is None else [Suspended("account", account)]
        if isinstance(route, NextHop):
            named += [Suspended("lane", name) for name in (hop_text(route), lane or self._lane(route)) if name]
        return next((self._ids[what] for what in named if what in self._ids), None)

    def _lane(self, next_hop: NextHop) -> str | None:
        terms = self._plan.known(next_hop)
        return None if terms is None else terms.name
