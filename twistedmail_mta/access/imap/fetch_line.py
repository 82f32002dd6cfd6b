"""Writes one FETCH response piece by piece, however long it is."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.imap.session import ServerSession

ROOM: Final = 64 * 1024
"""Octets that are gathered before they are written."""


class LineWriter:
    """The response that is being written.

    What was gathered of a line is dropped if it can't be finished; once a
    part of it was handed on there is no honest end to it but its own.

    Attributes:
        size: octets that were gathered.
        under_way: part of the line was handed on, and not its end.
    """

    __slots__ = ("_connection", "_number", "_pieces", "_session", "size", "under_way")

    def __init__(self, session: ServerSession, connection: Connection) -> None:
        self._session = session
        self._connection = connection
        self._pieces: list[bytes] = []
        self.size = 0
        self._number = 0
        self.under_way = False

    def begin(self, number: int) -> None:
        """Begin the line of a message; nothing of it is written before there is an item."""
        self._number = number
        self._pieces.clear()
        self.size = 0

    def item(self, words: bytes) -> None:
        """Write the begin of an item: its label, and what follows up to its octets."""
        first = not self._pieces and not self.under_way
        self.add((b"* %d FETCH (%b" % (self._number, words)) if first else b" " + words)

    def add(self, octets: bytes) -> None:
        """Write octets of an item."""
        self._pieces.append(octets)
        self.size += len(octets)

    def end(self) -> None:
        """End the line, if there was anything to tell."""
        if self._pieces or self.under_way:
            self._pieces.append(b")\r\n")
            self._hand_on()
            self.under_way = False

    async def room(self) -> None:
        """Wait until more may follow, also in the middle of a line."""
        if self.size >= ROOM:
            self.under_way = True
            self._hand_on()
        await self._connection.room()

    def _hand_on(self) -> None:
        send = self._session.send
        for piece in self._pieces:
            send(piece)
        self._pieces.clear()
        self.size = 0
