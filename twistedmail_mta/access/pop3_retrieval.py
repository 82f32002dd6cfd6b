"""RETR and TOP: a message from the maildrop to the client (RFC 1939 sections 5 and 7)."""

from __future__ import annotations

from twistedmail_mta.access.connection import BATCH, Connection
from twistedmail_mta.access.pop3_reader import WHOLE, Gone, Pieces, Reader
from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IMaildrop
from twistedmail_mta.pop3 import answers
from twistedmail_mta.pop3.events import Retrieve
from twistedmail_mta.pop3.outgoing import Outgoing
from twistedmail_mta.pop3.server import ServerSession
from twistedmail_mta.tasks import TaskGroup


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
        self._foreseen = 0  # octets of the message whose answer was made ahead
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
        if event.message.size <= WHOLE:
            self._send_whole(event, await self._reader.whole(event.number))
            if self._session.queued >= BATCH:
                await self._connection.room()
            if event.lines is None:
                self._foresee(event.number + 1)
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

    def sent(self, number: int) -> None:
        """Take note that the client got the answer that was foreseen, and foresee the next."""
        self._reader.taken(number)
        self.octets += self._foreseen
        self.messages += 1
        self._foresee(number + 1)

    def _foresee(self, number: int) -> None:
        """Make an answer while the client is busy with the last one, if the message is in memory."""
        session = self._session
        message = None if session.has_input else self._reader.at_hand(number)
        if message is None:
            return
        self._connection.flush()
        outgoing = Outgoing(None, utf8=session.utf8)
        answer = session.worded(answers.follows(len(message))), outgoing.pass_on(message), outgoing.end()
        self._foreseen = outgoing.octets
        session.foresee(number, b"".join(answer))

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
