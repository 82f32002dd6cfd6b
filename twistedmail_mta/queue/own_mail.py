"""Mail of this host, reports and notices, signed in the name of the domain it is from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ISigning
from twistedmail_mta.mail.addresses import addresses
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Message, id_text
from twistedmail_mta.tasks import Cancelled


@dataclass(frozen=True, slots=True)
class OwnMail:
    """Signs what this host writes.

    Attributes:
        signing: signs; None: nobody does.
    """

    signing: ISigning | None = None

    log: ClassVar[Logger] = Logger()

    async def signed(self, message: Message) -> Message:
        """Return a message with its signatures; without them if there can be none, since it is not to be lost."""
        try:
            fields = await self.signatures(message)
        except Cancelled:
            raise
        except TemporaryError as error:
            self.log.warn(
                "{queue_id} isn't signed: {error}",
                event="dkim.unsigned",
                queue_id=id_text(message.id),
                error=str(error),
            )
            return message
        except Exception:  # noqa: BLE001 - a key that can't be used must not keep reports from being sent
            self.log.failure("{queue_id} isn't signed", event="dkim.unsigned", queue_id=id_text(message.id))
            return message
        return replace(message, header=fields + message.header) if fields else message

    async def signatures(self, message: Message) -> bytes:
        """Return the signatures of a message, as header fields; none if there are no keys.

        Raises:
            TemporaryError: there can be none now.
        """
        if self.signing is None:
            return b""
        header = Header(message.header)
        return await self.signing.signature(header, message.body, _domains(header))


def _domains(header: Header) -> tuple[str, ...]:
    """Return in whose name it may be signed: the domain it is from, or those above.

    What isn't from a hosted domain is from this host, whose name is below its
    own domain, such as mail.example.org.
    """
    authors = addresses(header.get(b"From") or b"")
    return above(authors[0].domain) if authors else ()


def above(domain: str) -> tuple[str, ...]:
    """Return a domain and those above it that have two labels at least."""
    labels = domain.split(".")
    return tuple(".".join(labels[number:]) for number in range(max(1, len(labels) - 1)))
