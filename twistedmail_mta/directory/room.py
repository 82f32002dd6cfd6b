"""Room for questions that take work or wait for somebody: bounded, and not filled by strangers alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.errors import TemporaryError


class Room:
    """So many places; a quarter of them only for networks from which the account logged in lately."""

    def __init__(self, throttle: LoginThrottle, places: int) -> None:
        """Make an empty room.

        Args:
            throttle: knows who logged in lately from where.
            places: questions under way at once, those that wait for a thread or connection among them.
        """
        self._throttle = throttle
        self._places = places
        self._for_strangers = places - places // 4
        self._taken = 0

    @contextmanager
    def place(self, name: str, peer: str) -> Iterator[None]:
        """Hold a place while a question is under way.

        Args:
            name: the account's.
            peer: the client's address.

        Raises:
            TemporaryError: there is none left.
        """
        is_full = self._taken >= self._places
        if is_full or (self._taken >= self._for_strangers and not self._throttle.knows(peer, name)):
            raise TemporaryError(CANNOT_JUDGE)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
