"""One mail transaction: from MAIL to the moment the message is on disk.

RFC 5321 section 3.3 calls it that.  It is made when MAIL is accepted and ends
with the reply to the last octet, or is abandoned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from twistedmail_mta import stages
from twistedmail_mta.errors import MailError, PermanentError
from twistedmail_mta.history.story import short
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.structure import structure_of
from twistedmail_mta.mailbox.intake import Intake
from twistedmail_mta.model import (
    Address,
    Detention,
    Envelope,
    Expansion,
    LocalMail,
    Message,
    Recipient,
    Reply,
    id_text,
)
from twistedmail_mta.policy.authenticity_tags import should_be_refused
from twistedmail_mta.receive import replies
from twistedmail_mta.receive.acceptance_line import log_accepted
from twistedmail_mta.receive.addressees import MOST_AT_ONCE, Addressee, Distribution, distribute, looping_among
from twistedmail_mta.receive.admission import MayRelay
from twistedmail_mta.receive.assembly import Assembly
from twistedmail_mta.receive.body_text import BodyText
from twistedmail_mta.receive.client import Client
from twistedmail_mta.receive.history import MOST_REFUSED, added_signatures, visit_of
from twistedmail_mta.receive.judgement import Judgement
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.naming import Named
from twistedmail_mta.receive.relaying import may_relay
from twistedmail_mta.receive.reservations import Reservations
from twistedmail_mta.receive.returning import NOT_RETURNED, Returned
from twistedmail_mta.receive.rewriting import BrokenTextError, Drafts, Text, rewritten
from twistedmail_mta.receive.signing import signed
from twistedmail_mta.receive.submission import Completion, complete_header
from twistedmail_mta.smtp.parameters import MailParameters, RcptParameters, mail_words
from twistedmail_mta.tasks import Cancelled, after_writes, within

ACCEPT_WITHIN = 50.0
"""Some clients wait only a minute for the answer to the final dot."""


class Transaction:
    """A message on its way in.

    Attributes:
        id: the message's id, given at MAIL so that every log line can carry it.
        deadline: when it must have ended, in the clock's seconds.
    """

    def __init__(
        self,
        listener: Listener,
        client: Client,
        sender: Address,
        parameters: MailParameters,
        before: Returned = NOT_RETURNED,
    ) -> None:
        """Begin.

        Args:
            listener: where the client is.
            client: who it is.
            sender: the reverse-path.
            parameters: what else MAIL said.
            before: what is known of the message if a content filter gives it back.
        """
        self.id = listener.new_id()
        self.deadline = listener.clock.seconds() + listener.limits.transaction
        self._listener = listener
        self._client = client
        self._sender = sender
        self._parameters = parameters
        self._addressees: dict[Address, Addressee] = {}
        self._named: list[Address] = []
        self._reservations = Reservations(listener.quotas, parameters.size or 0)
        self._before = before
        self._assembly = Assembly(listener, client, parameters, self.id, before.former.origin)
        self._distribution = Distribution((), ())
        self._looping: frozenset[Address] = frozenset()
        self._ended_at = 0.0
        self._refusal: Reply | None = None
        self._intake: Intake | None = None
        self._header_seen = False
        self._detention: Detention | None = None
        self._tags = before.former.tags
        self._taken = False
        self._mail_from: stages.MailFrom | None = None
        self._refused: list[tuple[str, str]] = []
        self._reply: Reply | None = None
        self._signatures = b""
        self._discarded = False

    async def add_recipient(self, address: Address, parameters: RcptParameters) -> None:
        """Take one more recipient; one that is there already stays one.

        Raises:
            MailError: it isn't taken.
        """
        listener = self._listener
        question = self._relay_question(parameters) if listener.grants.asks(stages.IRelayGrant) else None
        meant, expansion = await listener.admission.admit(
            address,
            self._client.submitter,
            relays=listener.role.relays,
            anybody=listener.role.takes_back,
            may_relay=question,
            is_report=self._sender.is_null,
        )
        if meant not in self._addressees:
            mailbox = self._before.former.mailboxes.get(meant)
            recipient = Recipient(meant, parameters.notify, parameters.orcpt, mailbox=mailbox)
            if listener.plugins.asks(stages.IRecipientPolicy):
                await listener.ask(self._client, stages.IRecipientPolicy, self.mail_from, recipient)
            if len(self._addressees) >= listener.limits.recipients:
                raise MailError(replies.TOO_MANY_RECIPIENTS)
            await self._reserve(expansion)
            self._addressees[meant] = Addressee(recipient, expansion)
        self._named.append(meant)

    async def _reserve(self, expansion: Expansion | None) -> None:
        """Keep room in the mailboxes that the acceptance would fill.

        Raises:
            MailError: there is none.
        """
        if expansion is not None and 0 < len(expansion.deliveries) <= MOST_AT_ONCE:
            await self._reservations.reserve(expansion.deliveries)

    def _relay_question(self, parameters: RcptParameters) -> MayRelay:
        return partial(may_relay, self._listener, self._client, self.mail_from, parameters)

    def note_refused(self, address: Address, reply: Reply) -> None:
        """Note a recipient that wasn't taken, and the answer."""
        if len(self._refused) < MOST_REFUSED:
            self._refused.append((str(address), short(str(reply))))

    def note_reply(self, reply: Reply) -> None:
        """Note why the message isn't taken."""
        self._reply = reply

    @property
    def mail_from(self) -> stages.MailFrom:
        """What MAIL said, as plugins are told."""
        if self._mail_from is None or self._mail_from.sender is not self._sender:
            parameters = self._parameters
            self._mail_from = stages.MailFrom(id_text(self.id), self._sender, parameters.size, mail_words(parameters))
        return self._mail_from

    async def add_block(self, block: bytes) -> None:
        """Take octets of the message; after a refusal they are dropped.

        No refusal is answered before the end of the data: an early reply would
        turn the rest of the message into commands.
        """
        if self._refusal is not None:
            return
        intake = self._intake or self._begin_message()
        try:
            await intake.add(block)
            if not self._header_seen and intake.in_body:
                self._header_seen = True
                listener = self._listener
                if listener.plugins.asks(stages.IHeaderPolicy):
                    header = Header(intake.header)
                    await listener.ask(self._client, stages.IHeaderPolicy, self._asked_envelope(), header)
        except Cancelled:
            raise
        except MailError as error:
            self._refuse(error.reply)
        except Exception:  # noqa: BLE001 - told at the end of the data, as every refusal
            self._listener.log.failure(
                "message {queue_id} can't be stored", event="smtp.broken", queue_id=id_text(self.id)
            )
            self._refuse(replies.TRY_LATER)

    def _begin_message(self) -> Intake:
        """Take octets from now on; all recipients are known."""
        self._distribution = distribute(self._addressees.values())
        listener = self._listener
        may_get_mailboxes = listener.plugins.asks(stages.IMessagePolicy)
        clock = listener.clock if self._distribution.deliveries or may_get_mailboxes else None
        self._intake = Intake(listener.bodies.writer(), listener.limits.header_size, clock)
        return self._intake

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
        self._ended_at = self._listener.now()
        try:
            await within(self._listener.clock, ACCEPT_WITHIN, self._accept())
        except TimeoutError:
            raise MailError(replies.TOO_SLOW_HERE) from None
        return Reply(250, "2.0.0", f"Ok: queued as {id_text(self.id)}")

    def answers(self, accepted: Reply) -> Sequence[Reply]:
        """Return the answer for each RCPT that was taken, in their order.

        Args:
            accepted: what `finish` returned.
        """
        return [replies.DELIVERED_BEFORE if each in self._looping else accepted for each in self._named]

    async def _accept(self) -> None:
        intake = self._intake
        assert intake is not None
        body = await intake.finish()
        text = Text(self._header(intake.header), body, intake.eight_bit, intake.scanned)
        if self._listener.plugins.asks(stages.IMessagePolicy):
            text = await self._judge(text)
            if not self._addressees:
                self._discard()
                return
        self._check_forwards()
        distribution = self._distribute(text.header)
        text = await self._signed(text)
        message = self._message(text, distribution.spooled)
        local = None
        if distribution.deliveries:
            local = LocalMail(structure_of(message.header, text.scanned()), distribution.deliveries)
        # From here on the body belongs to the spool: were the commit to fail
        # half-way, the sweep of orphans finds out whether a row names its file.
        self._intake = None
        reserved = self._reservations.give_away()
        # Once the writer has it, the client's going away doesn't stop it.
        self._taken = True
        await self._listener.tasks.shield("smtp.accept", self._hand_over(message, local, reserved))
        client, seconds = self._client, self._listener.now() - self._ended_at
        facts = (client.session, message, local, len(self._addressees), self._detention, self._before.ident)
        after_writes(  # the client's answer goes first
            self._listener.clock, log_accepted, self._listener.log, *facts, client.tls, seconds
        )

    def _note_accepted(self, message: Message, local: LocalMail | None) -> None:
        history = self._listener.history
        if history is not None and history.wants:
            visit = visit_of(self._listener, self._client, self._refused)
            recipients = [str(each) for each in self._addressees]
            history.accepted(visit, message, recipients, local, self._detention, self._signatures)

    async def _hand_over(self, message: Message, local: LocalMail | None, reserved: Reservations) -> None:
        try:
            await self._listener.acceptance.accept(message, local, self._detention)
            self._note_accepted(message, local)
            if local is not None:
                self._listener.stored(message, local)
        except BaseException:
            self._taken = False
            raise
        finally:
            reserved.release()

    def _asked_envelope(self, *, eight_bit: bool = False) -> Envelope:
        """Return the envelope with every recipient that was taken."""
        recipients = tuple(each.recipient for each in self._addressees.values())
        return self._assembly.envelope(
            self._sender, recipients, eight_bit=eight_bit, smtputf8=self._parameters.smtputf8
        )

    async def _judge(self, text: Text) -> Text:
        """Ask the plugins about the whole message; return it as they want it.

        Raises:
            MailError: one of them refuses.
        """
        listener = self._listener
        drafts = Drafts(listener.bodies, 2 * listener.limits.message_size)  # what they add isn't the client's
        kept = text
        try:
            kept = await self._judged(text, drafts)
        finally:
            if unneeded := drafts.leftovers(text.body, kept.body):
                listener.tasks.start("smtp.drafts", drafts.remove(unneeded))
        return kept

    async def _judged(self, text: Text, drafts: Drafts) -> Text:
        listener, queue_id = self._listener, id_text(self.id)
        arriving = stages.Arriving(
            queue_id,
            self._asked_envelope(eight_bit=text.eight_bit),
            text.header,
            BodyText(listener.bodies, text.body),
            len(text.header.block) + text.body.size,
            drafts.begin,
        )
        seen = listener.seen(self._client)
        refusal, changes = await listener.plugins.judgement(
            stages.IMessagePolicy, seen, arriving, heard=self._client.hear
        )
        if refusal is not None:
            raise MailError(refusal)
        if not changes:
            return text
        named = Named(self._addressees)
        judgement = Judgement(
            text.header,
            self._sender,
            named,
            self._reserve,
            listener.clock,
            quarantine_mailbox=listener.quarantine_mailbox,
            tags=dict(self._tags),
            log=listener.log,
        )
        await judgement.apply(changes, listener.admission, queue_id)
        self._sender, self._addressees, self._detention = judgement.sender, named.addressees, judgement.detention
        self._tags = tuple(judgement.tags.items())
        self._named = [named.now(each) for each in self._named]
        self._distribution = distribute(self._addressees.values(), hold=self._detention is not None)
        if not self._addressees:
            return text
        return await self._rewritten(text, judgement, drafts)

    async def _rewritten(self, text: Text, judgement: Judgement, drafts: Drafts) -> Text:
        """Return the message as the plugins want it; a text that can't be read is its plugin's failure."""
        listener = self._listener
        if judgement.body is not None:
            body, plugin = judgement.body
            try:
                return await rewritten(text, judgement.header, body, drafts, listener.clock)
            except BrokenTextError as error:
                if (refusal := listener.plugins.failed(stages.IMessagePolicy, plugin, error)) is not None:
                    raise MailError(refusal) from error
        return await rewritten(text, judgement.header, None, drafts, listener.clock)

    def _check_forwards(self) -> None:
        """Refuse to send on elsewhere what pretends to be somebody's, whatever mailboxes here may get of it.

        Raises:
            PermanentError: it would be, by an alias.
        """
        if self._tags and should_be_refused(dict(self._tags)):
            expansions = [each.expansion for each in self._addressees.values()]
            if any(each is not None and each.forwards for each in expansions):
                raise PermanentError(replies.NOT_FORWARDED)

    def _discard(self) -> None:
        """Forget a message that plugins have left no recipient."""
        self._taken = self._discarded = True
        self.abandon()
        self._listener.log.info("{queue_id} discarded by plugins", event="smtp.discarded", queue_id=id_text(self.id))

    def _header(self, block: bytes) -> Header:
        """Return the header as it is kept, but for the trace field.

        Raises:
            PermanentError: too many hops, or a From that isn't the login's.
        """
        listener, client = self._listener, self._client
        header = Header(block)
        if header.count(b"Received") > listener.limits.hops:
            raise PermanentError(replies.TOO_MANY_HOPS)
        if client.submitter is None or not listener.role.completes:
            return header
        completion = Completion(self._assembly.date(self._ended_at), f"{id_text(self.id)}@{listener.hostname}")
        return complete_header(header, client.submitter, completion)

    def _distribute(self, header: Header) -> Distribution:
        """Say where the copies go, now that the header is known.

        Raises:
            PermanentError: all were delivered to before.
        """
        if not (self._distribution.deliveries or self._distribution.diverted):
            return self._distribution  # the queue looks for loops itself
        self._looping = looping_among(self._addressees.values(), header.block)
        if not self._looping:
            return self._distribution
        if len(self._looping) == len(self._addressees):
            raise PermanentError(replies.DELIVERED_BEFORE)
        told_at_once = self._looping if self._listener.role.lmtp else frozenset()
        others = [each for address, each in self._addressees.items() if address not in told_at_once]
        return distribute(others, self._looping, hold=self._detention is not None)

    async def _signed(self, text: Text) -> Text:
        """Return a submission with its signatures, and other mail as it is.

        Raises:
            TemporaryError: it can't be signed now.
        """
        signing = self._listener.signing
        if signing is None or self._account is None:
            return text
        recipients = [each.recipient for each in self._addressees.values()]
        came_back = self._assembly.origin is not None
        header = await signed(signing, text.header, text.body, self._sender, recipients, came_back=came_back)
        self._signatures = added_signatures(header, text.header)
        return replace(text, header=header)

    @property
    def _account(self) -> str | None:
        """The login that submitted the message, here or before a content filter had it."""
        origin = self._assembly.origin
        return self._client.account if origin is None else origin.account

    def _message(self, text: Text, spooled: tuple[Recipient, ...]) -> Message:
        """Put together what is kept, the trace field in front."""
        only = next(iter(self._addressees)) if len(self._addressees) == 1 else None
        return self._assembly.message(
            self._sender,
            spooled,
            only,
            text.header,
            text.body,
            self._ended_at,
            eight_bit=text.eight_bit,
            tags=self._tags,
        )

    def abandon(self) -> None:
        """Forget what was taken and the room kept for it, unless the spool has it already."""
        if self._intake is not None:
            self._intake.abandon()
            self._intake = None
        self._reservations.release()

    def end(self) -> None:
        """Abandon what wasn't accepted, and tell the plugins that it is over; called once."""
        self.abandon()
        self._note_end()
        listener = self._listener
        if listener.plugins.asks(stages.IEndedObserver):
            seen = listener.seen(self._client)
            listener.plugins.tell_soon(listener.tasks, stages.IEndedObserver, seen, self.mail_from, self._taken)

    def _note_end(self) -> None:
        """Let the history know of what wasn't accepted, and forget what plugins said of it."""
        history, client = self._listener.history, self._client
        if history is not None and history.wants and (self._discarded or not self._taken):
            visit, sender = visit_of(self._listener, client, self._refused), str(self._sender)
            recipients = [str(each) for each in self._addressees]
            if self._discarded:
                history.discarded(self.id, visit, sender, recipients)
            elif self._reply is not None:
                history.refused(self.id, visit, sender, recipients, "the message", self._reply)
            else:
                history.abandoned(self.id, visit, sender, recipients)
        client.forget_mail()
