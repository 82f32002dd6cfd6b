"""Names of web servers looked up by the site's own resolver, and no address that mail wouldn't be sent to either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.policy.web import IReactorWeb
from twistedmail_mta.tasks import Cancelled, Task


@implementer(IHostResolution)
class _Resolution:
    """A name that is being looked up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.task: Task[None] | None = None

    def cancel(self) -> None:
        """Give it up."""
        if self.task is not None:
            self.task.cancel()


@implementer(IHostnameResolver)
class OwnNames:
    """Twisted's way to look up names, over ours."""

    def __init__(self, resolver: IResolver, is_forbidden: Callable[[str], bool]) -> None:
        """Look up nothing yet.

        Args:
            resolver: knows the addresses.
            is_forbidden: of an address, whether a stranger's name may not lead there.
        """
        self._resolver = resolver
        self._is_forbidden = is_forbidden

    def resolveHostName(  # noqa: N802 - as IHostnameResolver has it
        self,
        resolutionReceiver: IResolutionReceiver,  # noqa: N803
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        addressTypes: Sequence[type[IAddress]] | None = None,  # noqa: ARG002, N803
        transportSemantics: str = "TCP",  # noqa: ARG002, N803
    ) -> IHostResolution:
        """Look up the addresses of both families."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        resolution.task = Task("web.names", self._look_up(hostName, portNumber, resolutionReceiver))
        return resolution

    async def _look_up(self, name: str, port: int, receiver: IResolutionReceiver) -> None:
        try:
            for family in ("AAAA", "A"):
                for address in await self._addresses(name, family):
                    kind = IPv6Address if family == "AAAA" else IPv4Address
                    receiver.addressResolved(kind("TCP", address, port))
        except Cancelled:
            return
        receiver.resolutionComplete()

    async def _addresses(self, name: str, family: str) -> list[str]:
        try:
            found = (await self._resolver.addresses(name, family)).records
        except TemporaryError:
            return []
        return [address for address in found if not self._is_forbidden(address)]


def with_names(reactor: IReactorWeb, names: IHostnameResolver) -> IReactorWeb:
    """Return a reactor for web requests that is another one, but for the names, which are looked up elsewhere."""
    return cast(IReactorWeb, _NamedReactor(reactor, names))


@implementer(IReactorPluggableNameResolver)
class _NamedReactor:
    """A reactor with another `nameResolver`, where Twisted's endpoints look for one."""

    def __init__(self, reactor: IReactorWeb, names: IHostnameResolver) -> None:
        self._reactor = reactor
        self.nameResolver = names

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:  # noqa: N802 - Twisted's name
        """Let another look up names."""
        before, self.nameResolver = self.nameResolver, resolver
        return before

    def __getattr__(self, name: str) -> object:
        return getattr(self._reactor, name)
