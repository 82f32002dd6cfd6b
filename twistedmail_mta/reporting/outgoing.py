"""Reports on their way into the queue: composed, and signed in the name of whoever they are from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mail.report_mail import ReportMail, compose
from twistedmail_mta.model import NULL_PATH, Address, Envelope, InlineBody, Message, Origin, Recipient, id_text
from twistedmail_mta.reporting.kind import Letter

LOCAL = "local"
"""`Origin.protocol` of what this host writes itself."""


class UnsignedError(Exception):
    """Nobody has keys to sign in the author's name, so nobody would believe the report."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Makes mail of reports.

    Attributes:
        author: whom reports are from.
        host: this host's name.
        new_id: makes message ids.
        now: seconds since the epoch.
        signatures: makes the signatures of a message, none where there are no keys; raises TemporaryError.
        insertion: returns what keeps a message for the queue, in a transaction of others.
        wake: has the queue look at what is due.
    """

    author: Address
    host: str
    new_id: Callable[[], int]
    now: Callable[[], float]
    signatures: Callable[[Message], Awaitable[bytes]]
    insertion: Callable[[Message], Callable[[Transaction], None]]
    wake: Callable[[], None]

    async def kept(self, letter: Letter) -> Callable[[Transaction], None]:
        """Return what keeps a letter for the queue.

        Its sender is null, so nobody ever hears that it couldn't be delivered.

        Raises:
            TemporaryError: it can't be signed now.
            UnsignedError: there are no keys to sign it with.
        """
        message_id, now = self.new_id(), self.now()
        header, body = compose(
            ReportMail(
                author=self.author,
                to=letter.to,
                message_id=f"{id_text(message_id)}@{self.host}",
                subject=letter.subject,
                fields=letter.fields,
                kind=letter.kind,
                text=letter.text,
                enclosed=letter.enclosed,
                at=now,
            )
        )
        envelope = Envelope(NULL_PATH, (Recipient(letter.to),), smtputf8=not header.isascii())
        message = Message(message_id, envelope, header, InlineBody(body), Origin(LOCAL), now, letter.tags)
        signatures = await self.signatures(message)
        if not signatures:
            raise UnsignedError
        return self.insertion(replace(message, header=signatures + header))
