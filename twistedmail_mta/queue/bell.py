"""Wakes a loop before its time."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.tasks import Promise


class Bell:
    """Rung by anyone, heard by one loop; what is rung while it works is heard next."""

    __slots__ = ("_clock", "_rung", "_waiting")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._rung = False
        self._waiting: Promise[None] | None = None

    def ring(self) -> None:
        """Wake the loop, now or as soon as it would wait."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            self._rung = True
        else:
            waiting.resolve(None)

    async def wait(self, seconds: float) -> None:
        """Wait until the bell is rung, at most that long."""
        if self._rung:
            self._rung = False
            return
        self._waiting = promise = Promise[None]()
        timer = self._clock.callLater(seconds, self.ring)
        try:
            await promise
        finally:
            if timer.active():
                timer.cancel()
