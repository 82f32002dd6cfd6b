"""The router that counts now: the site file may be read again while the queue runs."""

from __future__ import annotations

from zope.interface import implementer

from twistedmail_mta.deliver.router import Router
from twistedmail_mta.interfaces import IRouter
from twistedmail_mta.model import Address, Route, Via


@implementer(IRouter)
class CurrentRouter:
    """Asks one router, and from some moment on another."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def use(self, router: Router) -> None:
        """Go by another router from now on."""
        self._router = router

    def route(self, sender: Address | None, recipient: Address, attempts: int = 0, account: str | None = None) -> Route:
        """See `IRouter.route`."""
        return self._router.route(sender, recipient, attempts, account)

    def why(self, sender: Address | None, recipient: Address, account: str | None = None) -> str | None:
        """See `Router.why`."""
        return self._router.why(sender, recipient, account)

    def chosen(self, via: Via, recipient: Address) -> Route:
        """See `IRouter.chosen`."""
        return self._router.chosen(via, recipient)
