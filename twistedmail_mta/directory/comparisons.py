"""Compares passwords with hashes on threads of their own, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, TypeVar

from twisted.logger import Logger

from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.room import Room
from twistedmail_mta.directory.schemes import CannotCompare
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import WorkerPool

T = TypeVar("T")

THREADS: Final = 2
BACKLOG: Final = 64
"""Comparisons under way: a second's work."""


class Comparisons:
    """The threads for hashes, and the room before them."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, hashes: PasswordHash, pool: WorkerPool, throttle: LoginThrottle) -> None:
        """Make it.

        Args:
            hashes: makes and checks stored passwords.
            pool: threads for that and nothing else, `THREADS` with `BACKLOG`.
            throttle: knows who logged in lately from where.
        """
        self._hashes = hashes
        self._pool = pool
        self._room = Room(throttle, BACKLOG)

    async def matches(self, name: str, peer: str, password: str, stored: str | None) -> bool:
        """Return whether a prepared password is the one that `stored` was made of.

        Args:
            name: whose it would be.
            peer: the client's address.
            password: as `opaque_string` returns it.
            stored: what is kept of it; None takes the same work for nothing.

        Raises:
            TemporaryError: too much is being compared, or it can't be.
        """
        wanted = self._hashes.dummy if stored is None else stored
        try:
            with self._room.place(name, peer):
                return await self._pool.run(self._hashes.matches, wanted, password)
        except CannotCompare as error:
            self.log.warn(
                "password of {account} can't be compared: {reason}",
                event="auth.broken",
                account=name,
                reason=str(error),
            )
            raise TemporaryError(CANNOT_JUDGE) from None

    async def store(self, password: str) -> StoredPassword:
        """Return what to keep of a password.

        Raises:
            TemporaryError: too much waits already.
            ValueError: it can't be a password.
        """
        return await self._pool.run(self._hashes.store, password)

    async def run(self, function: Callable[[], T]) -> T:
        """Call something else that is slow on one of the threads.

        Raises:
            TemporaryError: too much waits already.
        """
        return await self._pool.run(function)

    def is_outdated(self, stored: StoredPassword) -> bool:
        """Return whether a matching password should be stored anew."""
        return self._hashes.is_outdated(stored)
