"""How much goes over a connection to a daemon, in both directions: one coroutine waits, and nothing grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer

from twistedmail_mta.tasks import Promise


@implementer(IPushProducer)
class Flow:
    """What goes over one connection.

    Attributes:
        full: what was written waits, since the daemon doesn't take it.
        ended: there is no connection, or no more.
    """

    def __init__(self) -> None:
        self.full = False
        self.ended = True
        self._deaf = False
        self._source: IPushProducer | None = None
        self._news: Promise[None] | None = None

    def begin(self, transport: object) -> None:
        """Want to know when the daemon takes no more."""
        self.ended = False
        self._source = cast(IPushProducer, transport)
        cast(IConsumer, transport).registerProducer(self, True)

    def end(self) -> None:
        """Let nobody wait any more: the connection is gone."""
        self.ended = True
        self.tell()

    def listen(self, *, wanted: bool) -> None:
        """Let the daemon go on, or wait, with what it says."""
        if wanted is self._deaf and not self.ended and self._source is not None:
            self._deaf = not wanted
            (self._source.resumeProducing if wanted else self._source.pauseProducing)()

    async def until(self, true: Callable[[], bool]) -> bool:
        """Wait for something to be true; return whether it is, for the connection may end before."""
        while not true():
            if self.ended:
                return False
            self._news = Promise()
            await self._news
        return True

    def tell(self) -> None:
        """Let whoever waits look again."""
        news, self._news = self._news, None
        if news is not None:
            news.resolve(None)

    # What the transport calls

    def pauseProducing(self) -> None:  # noqa: N802
        """Let the writer wait."""
        self.full = True

    def resumeProducing(self) -> None:  # noqa: N802
        """Let the writer go on."""
        self.full = False
        self.tell()

    def stopProducing(self) -> None:  # noqa: N802
        """Nothing: the end of the connection follows."""
