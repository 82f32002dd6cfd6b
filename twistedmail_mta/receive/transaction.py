"""One mail transaction: from MAIL to the moment the message is on disk.

RFC 5321 section 3.3 calls it that.  It is made when MAIL is accepted and ends
with the reply to the last octet, or is abandoned.
"""

from __future__ import annotations

from typing import ClassVar

from twisted.logger import Logger

from twistedmail_mta.errors import MailError, PermanentError
from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.received import Trace, received_field, transmission_type
from twistedmail_mta.model import Address, Body, Envelope, Message, Origin, Recipient, Reply, id_text
from twistedmail_mta.receive import replies
from twistedmail_mta.receive.client import Client
from twistedmail_mta.receive.intake import Intake
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.submission import Completion, complete_header, vouched_author
from twistedmail_mta.smtp.parameters import MailParameters, RcptParameters
from twistedmail_mta.tasks import Cancelled, after_writes, within

ACCEPT_WITHIN = 50.0
"""Some clients wait only a minute for the answer to the final dot."""


class Transaction:
    """A message on its way in.

    Attributes:
        id: the message's id, given at MAIL so that every log line can carry it.
        deadline: when it must have ended, in the clock's seconds.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, listener: Listener, client: Client, sender: Address, parameters: MailParameters) -> None:
        self.id = listener.new_id()
        self.deadline = listener.clock.seconds() + listener.limits.transaction
        self._listener = listener
        self._client = client
        self._sender = sender
        self._parameters = parameters
        self._recipients: dict[Address, Recipient] = {}
        self._refusal: Reply | None = None
        self._intake: Intake | None = None

    async def add_recipient(self, address: Address, parameters: RcptParameters) -> None:
        """Take one more recipient; one that is there already stays one.

        Raises:
            MailError: it isn't taken.
        """
        rules = self._listener.relaying
        refusal = await rules.refusal(address, self._client.submitter)
        if refusal is not None:
            raise MailError(refusal)
        meant = rules.address(address)
        if len(self._recipients) >= self._listener.limits.recipients:
            raise MailError(replies.TOO_MANY_RECIPIENTS)
        self._recipients.setdefault(meant, Recipient(meant, parameters.notify, parameters.orcpt))

    async def add_block(self, block: bytes) -> None:
        """Take octets of the message; after a refusal they are dropped.

        No refusal is answered before the end of the data: an early reply would
        turn the rest of the message into commands.
        """
        if self._refusal is not None:
            return
        if self._intake is None:
            self._intake = Intake(self._listener.bodies.writer(), self._listener.limits.header_size)
        try:
            if self._intake.add(block):
                await self._intake.flush()
        except Cancelled:
            raise
        except MailError as error:
            self._refuse(error.reply)
        except Exception:  # noqa: BLE001 - told at the end of the data, as every refusal
            self.log.failure("message {queue_id} can't be stored", event="smtp.broken", queue_id=id_text(self.id))
            self._refuse(replies.TRY_LATER)

    def _refuse(self, reply: Reply) -> None:
        self._refusal = reply
        self.abandon()

    async def finish(self) -> Reply:
        """Accept the message, now that its last octet is here; return the answer.

        Raises:
            MailError: it is refused.
        """
        if self._refusal is not None:
            raise MailError(self._refusal)
        await self.add_block(b"")
        try:
            await within(self._listener.clock, ACCEPT_WITHIN, self._accept())
        except TimeoutError:
            raise MailError(replies.TOO_SLOW_HERE) from None
        return Reply(250, "2.0.0", f"Ok: queued as {id_text(self.id)}")

    async def _accept(self) -> None:
        intake = self._intake
        assert intake is not None
        body = await intake.finish()
        message = self._message(intake.header, body, eight_bit=intake.eight_bit)
        # From here on the body belongs to the spool: were the commit to fail
        # half-way, the sweep of orphans finds out whether a row names its file.
        self._intake = None
        # Once the writer has it, the client's going away doesn't stop it.
        await self._listener.tasks.shield("smtp.accept", self._hand_over(message))
        after_writes(self._listener.clock, self._log_accepted, message)  # the client's answer goes first

    async def _hand_over(self, message: Message) -> None:
        await self._listener.acceptance.accept(message)

    def _message(self, block: bytes, body: Body, *, eight_bit: bool) -> Message:
        """Put together what is kept, the trace field in front.

        Raises:
            PermanentError: too many hops, or a From that isn't the login's.
        """
        listener, client = self._listener, self._client
        header = Header(block)
        if header.count(b"Received") > listener.limits.hops:
            raise PermanentError(replies.TOO_MANY_HOPS)
        now = listener.now()
        date = date_text(now, listener.offset(now))
        if client.submitter is not None and listener.role.completes:
            completion = Completion(date, f"{id_text(self.id)}@{listener.hostname}")
            header = complete_header(header, client.submitter, completion)
        protocol = self._protocol()
        envelope = self._envelope(eight_bit=eight_bit, smtputf8=self._needs_utf8(header))
        origin = Origin(protocol, client.host, client.helo, client.account, listener.name)
        return Message(self.id, envelope, header.prepend(self._trace(protocol, date)).block, body, origin, now)

    def _needs_utf8(self, header: Header) -> bool:
        """Whether the next hop must know SMTPUTF8: only if something really isn't ASCII."""
        if not self._parameters.smtputf8:
            return False
        addresses = (self._sender, *self._recipients)
        return not (header.is_ascii and all(address.is_ascii for address in addresses))

    def _protocol(self) -> str:
        client = self._client
        return transmission_type(
            extended=client.extended,
            tls=client.encrypted,
            authenticated=client.submitter is not None,
            utf8=self._parameters.smtputf8,
        )

    def _trace(self, protocol: str, date: str) -> bytes:
        listener, client = self._listener, self._client
        trace = Trace(
            helo=client.helo,
            peer=client.host,
            host=listener.hostname,
            transmission=protocol,
            tls=client.describe_tls() if client.describe_tls is not None else "",
            hide_client=listener.hide_client and client.submitter is not None,
        )
        only = next(iter(self._recipients)) if len(self._recipients) == 1 else None
        return received_field(trace, id_text(self.id), only, date)

    def _envelope(self, *, eight_bit: bool, smtputf8: bool) -> Envelope:
        parameters = self._parameters
        return Envelope(
            sender=self._sender,
            recipients=tuple(self._recipients.values()),
            eight_bit=eight_bit,
            smtputf8=smtputf8,
            ret=parameters.ret,
            envid=parameters.envid,
            auth=vouched_author(parameters.auth, self._client.submitter),
        )

    def _log_accepted(self, message: Message) -> None:
        self.log.info(
            "{queue_id} accepted from <{sender}> for {recipients}: {size} octets by {protocol} from {peer}{login}, "
            "session {session}",
            event="smtp.accepted",
            session=self._client.session,
            queue_id=id_text(message.id),
            peer=message.origin.peer,
            account=message.origin.account,
            login=f", login {message.origin.account}" if message.origin.account else "",
            sender=str(message.envelope.sender),
            recipients=len(message.envelope.recipients),
            size=message.size,
            protocol=message.origin.protocol,
        )

    def abandon(self) -> None:
        """Forget what was taken, unless the spool has it already."""
        if self._intake is not None:
            self._intake.abandon()
            self._intake = None
