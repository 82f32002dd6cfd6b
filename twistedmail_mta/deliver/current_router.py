"""The router that counts now: the site file may be read again while the queue runs."""

from __future__ import annotations

from zope.interface import implementer

from twistedmail_mta.interfaces import IRouter
from twistedmail_mta.model import Address, Route, Via


@implementer(IRouter)
class CurrentRouter:
    """Asks one router, and from some moment on another."""

    def __init__(self, router: IRouter) -> None:
        self._router = router

    def use(self, router: IRouter) -> None:
        """Go by another router from now on."""
        self._router = router

    def route(self, sender: Address | None, recipient: Address, attempts: int = 0, account: str | None = None) -> Route:
        """See `IRouter.route`."""
        return self._router.route(sender, recipient, attempts, account)

    def chosen(self, via: Via, recipient: Address) -> Route:
        """See `IRouter.chosen`."""
        return self._router.chosen(via, recipient)
