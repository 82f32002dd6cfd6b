"""Puts together the message that is kept: its envelope, its origin, and our trace field in front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.received import Trace, received_field, transmission_type
from twistedmail_mta.model import Address, Body, Envelope, Message, Origin, Recipient, Tags, id_text
from twistedmail_mta.receive.client import Client
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.submission import vouched_author
from twistedmail_mta.smtp.parameters import MailParameters


@dataclass(frozen=True, slots=True)
class Assembly:
    """What of a message is known by its session.

    Attributes:
        listener: where it came in.
        client: who sent it.
        parameters: of MAIL.
        id: the message's.
        origin: where it came from before a content filter that gives it back; None: from the client.
    """

    listener: Listener
    client: Client
    parameters: MailParameters
    id: int
    origin: Origin | None = None

    def message(  # noqa: PLR0913, PLR0917 - a message consists of all that
        self,
        sender: Address,
        spooled: tuple[Recipient, ...],
        only: Address | None,
        header: Header,
        body: Body,
        received_at: float,
        *,
        eight_bit: bool,
        tags: Tags,
    ) -> Message:
        """Return the message as it is kept.

        Args:
            sender: the reverse-path.
            spooled: recipients that the queue serves.
            only: the one recipient that RCPT named; None where there were several.
            header: without our trace field.
            body: what follows it.
            received_at: seconds since the epoch.
            eight_bit: octets above 127 were seen.
            tags: what plugins noted.
        """
        protocol = self._protocol()
        smtputf8 = self._needs_utf8(sender, header, spooled)
        envelope = self.envelope(sender, spooled, eight_bit=eight_bit, smtputf8=smtputf8)
        client = self.client
        origin = self.origin or Origin(protocol, client.host, client.helo, client.account, self.listener.name)
        block = header.prepend(self._trace(protocol, only, received_at)).block
        return Message(self.id, envelope, block, body, origin, received_at, tags)

    def envelope(
        self, sender: Address, recipients: tuple[Recipient, ...], *, eight_bit: bool, smtputf8: bool
    ) -> Envelope:
        """Return the envelope with these recipients."""
        parameters = self.parameters
        return Envelope(
            sender=sender,
            recipients=recipients,
            eight_bit=eight_bit,
            smtputf8=smtputf8,
            ret=parameters.ret,
            envid=parameters.envid,
            auth=vouched_author(parameters.auth, self.client.submitter),
        )

    def date(self, at: float) -> str:
        """Return a time in seconds since the epoch as header fields write it."""
        return date_text(at, self.listener.offset(at))

    def _needs_utf8(self, sender: Address, header: Header, spooled: Sequence[Recipient]) -> bool:
        """Whether the next hop must know SMTPUTF8: only if something really isn't ASCII."""
        if not self.parameters.smtputf8:
            return False
        addresses = (sender, *(recipient.address for recipient in spooled))
        return not (header.is_ascii and all(address.is_ascii for address in addresses))

    def _protocol(self) -> str:
        client = self.client
        return transmission_type(
            extended=client.extended,
            tls=client.encrypted,
            authenticated=client.submitter is not None,
            utf8=self.parameters.smtputf8,
            lmtp=self.listener.role.lmtp,
        )

    def _trace(self, protocol: str, only: Address | None, at: float) -> bytes:
        listener, client = self.listener, self.client
        trace = Trace(
            helo=client.helo,
            peer=client.host,
            host=listener.hostname,
            transmission=protocol,
            tls=client.tls,
            hide_client=listener.hide_client and client.submitter is not None,
        )
        return received_field(trace, id_text(self.id), only, self.date(at))
