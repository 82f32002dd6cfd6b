"""Notices of this host, sent as its reports are: composed, and handed to the queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from zope.interface import implementer

from twistedmail_mta.interfaces import INotices
from twistedmail_mta.mail.notice import Notice, compose
from twistedmail_mta.model import NULL_PATH, Address, Envelope, InlineBody, Message, Origin, Recipient, id_text
from twistedmail_mta.queue.bounce import LOCAL


@implementer(INotices)
@dataclass(frozen=True, slots=True)
class Notices:
    """Tells the administrator.

    Attributes:
        host: this host's name.
        admin: the administrator.
        new_id: makes message ids.
        now: seconds since the epoch.
        offset: local time minus UTC, in seconds, at a time in seconds since the epoch.
        accept: takes a message on, as `IAcceptance` does.
    """

    host: str
    admin: Address
    new_id: Callable[[], int]
    now: Callable[[], float]
    offset: Callable[[float], int]
    accept: Callable[[Message], Awaitable[None]]

    async def tell(self, subject: str, text: str, also: Iterable[Address] = ()) -> None:
        """See `INotices.tell`."""
        to = tuple(dict.fromkeys((self.admin, *also)))
        message_id, now = self.new_id(), self.now()
        header, body = compose(Notice(to, self.host, id_text(message_id), subject, text, now, self.offset(now)))
        envelope = Envelope(NULL_PATH, tuple(map(Recipient, to)), smtputf8=not header.isascii())
        await self.accept(Message(message_id, envelope, header, InlineBody(body), Origin(LOCAL), now))
