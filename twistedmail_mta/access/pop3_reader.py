"""Reads the messages of a maildrop for one session, a little ahead of what the client asks for."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.interfaces import IMaildrop
from twistedmail_mta.model import DropMessage
from twistedmail_mta.tasks import Task, TaskGroup

AHEAD: Final = 512 * 1024
"""Octets read ahead at once."""
WHOLE: Final = 256 * 1024
"""Octets of the largest message that is read whole."""
MOST_AHEAD: Final = 100
"""Messages read ahead at once."""
PIECE: Final = 128 * 1024
"""Octets of a larger message that are read at once."""


class Gone(Exception):
    """The message was removed by somebody else."""


class Reader:
    """Gets small messages out of a maildrop.

    A client that asks for one after another gets most of them from memory: one
    hop to the database brings several.  The next hop waits until the last of
    them is used: beside a busy reactor it takes longer than alone.
    """

    def __init__(self, drop: IMaildrop) -> None:
        self._drop = drop
        self._held: dict[int, bytes | None] = {}  # by number; `AHEAD` octets at most
        self._expected = 1  # who begins with the first goes on

    async def whole(self, number: int) -> bytes:
        """Return a message of at most `WHOLE` octets.

        Args:
            number: its number in the session.

        Raises:
            Gone: it was removed meanwhile.
            TemporaryError: it can't be read now.
        """
        in_turn, self._expected = number == self._expected, number + 1
        if number not in self._held:
            self._held = await self._fetch(number, MOST_AHEAD if in_turn else 1)
        message = self._held.pop(number, None)
        if message is None:
            raise Gone
        return message

    def at_hand(self, number: int) -> bytes | None:
        """Return a message if it is in memory."""
        return self._held.get(number)

    def taken(self, number: int) -> None:
        """Take note that a message at hand was read; forget it."""
        self._expected = number + 1
        self._held.pop(number, None)

    async def _fetch(self, start: int, most: int) -> dict[int, bytes | None]:
        """Return messages from `start` on, by number, as many as fit."""
        uids = self._drop.uids[start - 1 : start - 1 + most]
        return dict(enumerate(await self._drop.fetch(uids, AHEAD), start))

    def skip(self, number: int) -> None:
        """Take note that a message was read in another way; drop what is held."""
        self._expected = number + 1
        self._held.clear()


class Pieces:
    """Reads one message piece by piece, the next while the client takes the last."""

    def __init__(self, drop: IMaildrop, message: DropMessage, tasks: TaskGroup) -> None:
        self._drop = drop
        self._message = message
        self._tasks = tasks
        self._offset = 0
        self._coming = self._read()

    @property
    def finished(self) -> bool:
        """Whether the whole message was returned."""
        return self._offset >= self._message.size

    async def take(self) -> bytes:
        """Return the next piece.

        Raises:
            Gone: the message was removed meanwhile.
            TemporaryError: it can't be read now.
        """
        piece = await self._coming
        if not piece:
            raise Gone
        self._offset += len(piece)
        if not self.finished:
            self._coming = self._read()
        return piece

    def _read(self) -> Task[bytes]:
        size = min(PIECE, self._message.size - self._offset)
        return self._tasks.shield("pop3.read", self._part(size))

    async def _part(self, size: int) -> bytes:
        return await self._drop.read(self._message.uid, self._offset, size)
