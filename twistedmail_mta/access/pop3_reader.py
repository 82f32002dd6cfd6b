"""Reads the messages of a maildrop for one session, a little ahead of what the client asks for."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.interfaces import IMaildrop
from twistedmail_mta.model import DropMessage
from twistedmail_mta.tasks import Task, TaskGroup

AHEAD: Final = 128 * 1024
"""Octets read ahead at once, and of the largest message that is read whole."""
MOST_AHEAD: Final = 100
"""Messages read ahead at once."""
PIECE: Final = 128 * 1024
"""Octets of a larger message that are read at once."""


class Gone(Exception):
    """The message was removed by somebody else."""


class Reader:
    """Gets small messages out of a maildrop.

    A client that asks for one after another gets most of them from memory: one
    hop to the database brings several, and the next hop begins before the last
    of them is used.  Twice `AHEAD` octets are held at most.
    """

    def __init__(self, drop: IMaildrop, tasks: TaskGroup) -> None:
        self._drop = drop
        self._tasks = tasks
        self._held: dict[int, bytes | None] = {}  # by number
        self._octets = 0
        self._expected = 0
        self._unasked = 0  # the first message not asked of the maildrop yet
        self._fetching: Task[None] | None = None

    async def whole(self, number: int) -> bytes:
        """Return a message of at most `AHEAD` octets.

        Args:
            number: its number in the session.

        Raises:
            Gone: it was removed meanwhile.
            TemporaryError: it can't be read now.
        """
        in_turn, self._expected = number == self._expected, number + 1
        if number not in self._held:
            await self._bring(number, in_turn=in_turn)
        message = self._held.pop(number, None)
        if message is None:
            raise Gone
        self._octets -= len(message)
        if in_turn and self._octets <= AHEAD // 2 and (self._fetching is None or self._fetching.done):
            self._look_ahead()
        return message

    async def _bring(self, number: int, *, in_turn: bool) -> None:
        """Wait for what is on its way if `number` is in it; else ask for that, and for more if it comes in turn."""
        if self._fetching is not None and not self._fetching.done:
            await self._fetching
        if number not in self._held:
            self.forget()
            await self._fetch(self._batch(number) if in_turn else [number])

    def _look_ahead(self) -> None:
        if batch := self._batch(self._unasked):
            self._fetching = self._tasks.shield("pop3.ahead", self._fetch(batch))

    async def _fetch(self, batch: list[int]) -> None:
        messages = self._drop.messages
        found = await self._drop.fetch([messages[number - 1].uid for number in batch], AHEAD)
        self._unasked = batch[0] + len(found)
        for number, message in zip(batch, found, strict=False):
            self._held[number] = message
            self._octets += len(message or b"")

    def _batch(self, start: int) -> list[int]:
        """Return as many numbers from `start` on as are worth one hop; none if that message is large."""
        batch: list[int] = []
        octets = 0
        for number in range(start, min(start + MOST_AHEAD, len(self._drop.messages) + 1)):
            octets += self._drop.messages[number - 1].size
            if octets > AHEAD:
                break
            batch.append(number)
        return batch

    def forget(self) -> None:
        """Drop what is held."""
        self._held.clear()
        self._octets = 0


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
