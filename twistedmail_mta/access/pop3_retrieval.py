"""RETR and TOP: a message from the maildrop to the client (RFC 1939 sections 5 and 7)."""

from __future__ import annotations

from typing import NamedTuple

from twistedmail_mta.access.connection import BATCH, Connection
from twistedmail_mta.access.pop3_reader import WHOLE, Gone, Pieces, Reader
from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IMaildrop
from twistedmail_mta.pop3 import answers
from twistedmail_mta.pop3.events import Retrieve
from twistedmail_mta.pop3.outgoing import Outgoing
from twistedmail_mta.pop3.server import ServerSession
from twistedmail_mta.tasks import TaskGroup


class _Ready(NamedTuple):
    """The answer to RETR of one message, made before the client asks.

    Attributes:
        number: the message's.
        language: in which its first line is.
        octets: the whole answer.
        size: octets of the message, dot-stuffing left out.
    """

    number: int
    language: str
    octets: bytes
    size: int


class Retrieval:
    """Sends messages of one session.

    Attributes:
        messages: how many were sent whole.
        octets: of messages and tops of messages that were sent.
        under_way: a message is being sent, so nothing else may be said.
    """

    def __init__(self, drop: IMaildrop, session: ServerSession, connection: Connection, tasks: TaskGroup) -> None:
        self._drop = drop
        self._session = session
        self._connection = connection
        self._tasks = tasks
        self._reader = Reader(drop)
        self._ready: _Ready | None = None
        self.messages = 0
        self.octets = 0
        self.under_way = False

    async def answer(self, event: Retrieve) -> None:
        """Send what was asked for.

        Once the message has begun there is no honest answer but its end: if
        that can't be read, the connection is broken off.

        Raises:
            MailError: it can't be read now; nothing was sent.
            Gone: it was removed meanwhile; nothing was sent.
        """
        self._ready = None
        if event.message.size <= WHOLE:
            self._send_whole(event, await self._reader.whole(event.number))
            if self._session.queued >= BATCH:
                await self._connection.room()
            self._look_ahead(event)
            return
        self._reader.skip(event.number)
        pieces = Pieces(self._drop, event.message, self._tasks)
        first = await pieces.take()
        self.under_way = True
        try:
            await self._send_pieces(event, first, pieces)
        except (MailError, Gone):
            self._connection.abort("a message vanished while it was sent")
        self.under_way = False

    def answer_at_once(self, event: Retrieve) -> bool:
        """Send an answer that was made ready; return whether this one was."""
        session = self._session
        ready, self._ready = self._ready, None
        if (
            ready is None
            or event.lines is not None
            or (ready.number, ready.language) != (event.number, session.language)
        ):
            return False
        self._reader.taken(event.number)
        session.send_answer(ready.octets)
        self.octets += ready.size
        self.messages += 1
        self._look_ahead(event)
        return True

    def _look_ahead(self, event: Retrieve) -> None:
        """Make the next answer ready while the client is busy with this one, if its message is in memory."""
        session, number = self._session, event.number + 1
        message = None if event.lines is not None or session.has_input else self._reader.at_hand(number)
        if message is None:
            return
        self._connection.flush()
        outgoing = Outgoing(None, utf8=session.utf8)
        pieces = session.worded(answers.follows(len(message))), outgoing.pass_on(message), outgoing.end()
        self._ready = _Ready(number, session.language, b"".join(pieces), outgoing.octets)

    def _send_whole(self, event: Retrieve, message: bytes) -> None:
        outgoing = self._begin(event)
        self._session.send_block(outgoing.pass_on(message))
        self._end(event, outgoing)

    async def _send_pieces(self, event: Retrieve, piece: bytes, pieces: Pieces) -> None:
        outgoing = self._begin(event)
        while True:
            self._session.send_block(outgoing.pass_on(piece))
            if pieces.finished or outgoing.finished:
                break
            await self._connection.room()
            piece = await pieces.take()
        self._end(event, outgoing)
        await self._connection.room()

    def _begin(self, event: Retrieve) -> Outgoing:
        follows = answers.TOP_FOLLOWS if event.lines is not None else answers.follows(event.message.size)
        self._session.send_response(follows)
        return Outgoing(event.lines, utf8=self._session.utf8)

    def _end(self, event: Retrieve, outgoing: Outgoing) -> None:
        self._session.send_block(outgoing.end())
        self.octets += outgoing.octets
        self.messages += event.lines is None
