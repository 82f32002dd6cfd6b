"""What each command of a client means: the conversation that leads to a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from twistedmail_mta import stages
from twistedmail_mta.errors import MailError, PermanentError, TemporaryError
from twistedmail_mta.model import Reply, id_text
from twistedmail_mta.networks import is_in
from twistedmail_mta.receive import replies
from twistedmail_mta.receive.client import Client
from twistedmail_mta.receive.history import note_knock
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.login import Login
from twistedmail_mta.receive.returning import NOT_RETURNED, returned
from twistedmail_mta.receive.transaction import Transaction
from twistedmail_mta.receive.verification import verify
from twistedmail_mta.sasl.server import MECHANISMS
from twistedmail_mta.smtp import server as smtp
from twistedmail_mta.tasks import Cancelled


class Dialogue:
    """Answers the events of one session.

    The pure session has checked syntax and order by then; here it is decided
    whether the client may, and what follows.
    """

    def __init__(
        self,
        listener: Listener,
        session: smtp.ServerSession,
        client: Client,
        start_tls: Callable[[], None],
        end_login: Callable[[], None],
    ) -> None:
        """Begin.

        Args:
            listener: what the client came in by.
            session: what it says.
            client: who it is.
            start_tls: encrypts the connection.
            end_login: called when the login isn't good any more.
        """
        self._listener = listener
        self._session = session
        self._client = client
        self._start_tls = start_tls
        self._end_login = end_login
        self._stop_watching: Callable[[], None] | None = None
        self._transaction: Transaction | None = None
        self._login: Login | None = None
        self._commands_at_message = 0

    @property
    def in_transaction(self) -> bool:
        """Whether MAIL was given and the message isn't answered yet."""
        return self._transaction is not None

    @property
    def deadline(self) -> float | None:
        """When the transaction must have ended, in the clock's seconds; None without one."""
        return self._transaction.deadline if self._transaction is not None else None

    @property
    def is_fruitless(self) -> bool:
        """Whether too many commands have come since the last message, those that named a recipient left out."""
        return self._session.commands - self._commands_at_message > self._listener.limits.commands

    async def answer(self, event: smtp.Event) -> None:
        """Do what one event asks, and answer it.

        A refusal raised on the way is the answer; anything unexpected is 451.
        """
        try:
            await self._ANSWERS[type(event)](self, event)
        except Cancelled:
            raise
        except MailError as error:
            await self._refuse(event, error.reply)
        except Exception:  # noqa: BLE001 - the client is told to try later
            self._listener.log.failure("session {session} broke", event="smtp.broken", session=self._client.session)
            self._session.send_reply(replies.TRY_LATER)

    async def _refuse(self, event: smtp.Event, reply: Reply) -> None:
        self._note_refusal(event, reply)
        await self._tell_of_refusal(reply)
        self._session.send_reply(reply)
        self._listener.log.info(
            "session {session}: {command} of {peer} refused: {reply}",
            event="smtp.refused",
            session=self._client.session,
            listener=self._listener.name,
            peer=self._client.host,
            account=self._client.account,
            command=_words(event),
            reply=reply,
            code=reply.code,
            status=reply.status,
            queue_id=id_text(self._transaction.id) if self._transaction is not None else "",
        )

    def _note_refusal(self, event: smtp.Event, reply: Reply) -> None:
        """Let the history know; of a message that is refused the transaction itself tells it."""
        match event:
            case smtp.BodyEnd():
                pass
            case smtp.Rcpt() if self._transaction is not None:
                self._transaction.note_refused(event.address, reply)
            case smtp.Mail():
                note_knock(self._listener, self._client, "MAIL", reply, str(event.address))
                self._client.forget_mail()
            case _:
                note_knock(self._listener, self._client, _words(event), reply)

    async def _tell_of_refusal(self, reply: Reply) -> None:
        """Let plugins take note of a refusal, and the client wait for them."""
        plugins = self._listener.plugins
        if plugins.asks(stages.IRefusalObserver):
            await plugins.tell(stages.IRefusalObserver, self._listener.seen(self._client), reply)

    def drop(self) -> None:
        """Forget the transaction under way, if any, and what it has written."""
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            transaction.end()

    def note_farewell(self, reply: Reply) -> None:
        """Note why the session is ended: the message under way isn't taken for that."""
        if self._transaction is not None:
            self._transaction.note_reply(reply)

    def leave(self) -> None:
        """Forget the transaction and the login: the client is gone."""
        self.drop()
        self._forget_login()

    def _forget_login(self) -> None:
        if self._stop_watching is not None:
            self._stop_watching()
            self._stop_watching = None

    # Commands

    async def _hello(self, event: smtp.Hello) -> None:
        self.drop()
        self._client.greet(event.name, extended=event.extended)
        self._offer()
        await self._listener.ask(self._client, stages.IHelloPolicy)
        self._session.send_reply(replies.HELLO)

    def _offer(self) -> None:
        self._session.mechanisms = MECHANISMS if self._may_log_in else ()

    @property
    def _may_log_in(self) -> bool:
        listener = self._listener
        return listener.role.offers_auth and (
            self._client.encrypted or is_in(self._client.host, listener.plaintext_login)
        )

    async def _mail(self, event: smtp.Mail) -> None:
        listener, client = self._listener, self._client
        self._demand_login()
        if client.submitter is not None and not (event.address.is_null or client.submitter.may_send_as(event.address)):
            raise PermanentError(replies.SENDER_NOT_YOURS)
        unwell = listener.database.refusal() or listener.shortage()
        if unwell is not None:
            raise TemporaryError(unwell)
        before = NOT_RETURNED if event.forwarded is None else await returned(listener, event.forwarded)
        transaction = Transaction(listener, client, event.address, event.parameters, before)
        if listener.plugins.asks(stages.IMailPolicy):
            await listener.ask(client, stages.IMailPolicy, transaction.mail_from)
        self._transaction = transaction
        self._session.send_reply(replies.SENDER_OK)

    def _demand_login(self) -> None:
        if self._listener.role.requires_login and self._client.submitter is None:
            raise PermanentError(replies.LOGIN_FIRST if self._may_log_in else replies.TLS_FIRST)

    async def _rcpt(self, event: smtp.Rcpt) -> None:
        await self._current.add_recipient(event.address, event.parameters)
        self._commands_at_message += 1
        self._session.send_reply(replies.RECIPIENT_OK)

    @property
    def _current(self) -> Transaction:
        if self._transaction is None:
            raise RuntimeError("the session gave an event of a transaction without one")
        return self._transaction

    # The message

    async def _data(self, _: smtp.Data) -> None:
        self._session.send_reply(replies.SEND_DATA)

    async def _nothing(self, _: smtp.Event) -> None:
        """The session has answered by itself, or an answer comes later."""

    async def _answered(self, event: smtp.Answered) -> None:
        if event.reply.is_permanent:
            note_knock(self._listener, self._client, "a command that the session itself answered", event.reply)
            await self._tell_of_refusal(event.reply)

    async def _body_block(self, event: smtp.BodyBlock) -> None:
        await self._current.add_block(event.data)

    async def _body_end(self, event: smtp.BodyEnd) -> None:
        transaction = self._current
        if event.fault is None and not event.last:
            self._session.send_reply(replies.CHUNK_OK)
            return
        try:
            if event.fault is not None:
                transaction.note_reply(event.fault)
                raise PermanentError(event.fault)
            accepted = await self._finished(transaction)
            self._session.send_reply(*(transaction.answers(accepted) if self._listener.role.lmtp else (accepted,)))
            self._commands_at_message = self._session.commands
        finally:
            self.drop()

    @staticmethod
    async def _finished(transaction: Transaction) -> Reply:
        try:
            return await transaction.finish()
        except MailError as error:
            transaction.note_reply(error.reply)
            raise
        except Cancelled:
            raise
        except Exception:
            transaction.note_reply(replies.TRY_LATER)
            raise

    # Logging in, TLS and the rest

    async def _auth(self, event: smtp.Auth) -> None:
        self._login = Login(event.mechanism, self._client, self._listener.authenticator)
        await self._step(event.initial)

    async def _auth_response(self, event: smtp.AuthResponse) -> None:
        await self._step(event.data)

    async def _step(self, response: bytes | None) -> None:
        login = self._login
        if login is None:
            raise RuntimeError("the session gave a response without an exchange")
        outcome = await login.step(response)
        if isinstance(outcome, Reply):
            if outcome.code >= 400:
                note_knock(self._listener, self._client, f"AUTH {login.mechanism}", outcome)
            self._session.send_reply(outcome)
            return
        self._client.log_in(outcome, login.mechanism)
        try:
            await self._listener.ask(self._client, stages.ILoginPolicy)
        except BaseException:
            self._client.log_in(None, "")
            raise
        self._stop_watching = self._listener.logins.watch(outcome, self._end_login)
        self._session.authenticated()
        self._session.send_reply(replies.LOGGED_IN)

    async def _starttls(self, _: smtp.StartTLS) -> None:
        self._session.send_reply(replies.READY_FOR_TLS)
        if not self._session.closing:
            self.drop()
            self._forget_login()
            self._client.forget()
            self._start_tls()

    async def _reset(self, _: smtp.Reset) -> None:
        self.drop()

    async def _verify(self, event: smtp.Verify) -> None:
        listener = self._listener
        may_ask = listener.vrfy == "always" or (listener.vrfy == "login" and self._client.submitter is not None)
        self._session.send_reply(await verify(event.text, listener.admission) if may_ask else replies.CANNOT_VERIFY)

    async def _quit(self, _: smtp.Quit) -> None:
        self._session.send_reply(replies.GOODBYE)

    _ANSWERS: ClassVar[dict[type, Callable[[Any, Any], Awaitable[None]]]] = {
        smtp.Hello: _hello,
        smtp.Mail: _mail,
        smtp.Rcpt: _rcpt,
        smtp.Data: _data,
        smtp.Chunk: _nothing,
        smtp.BodyBlock: _body_block,
        smtp.BodyEnd: _body_end,
        smtp.Auth: _auth,
        smtp.AuthResponse: _auth_response,
        smtp.AuthCancelled: _nothing,
        smtp.StartTLS: _starttls,
        smtp.Reset: _reset,
        smtp.Verify: _verify,
        smtp.Quit: _quit,
        smtp.Answered: _answered,
    }


def _words(event: smtp.Event) -> str:
    """Return what a client asked for, as the log says it; never what may be secret."""
    match event:
        case smtp.Mail():
            return f"MAIL FROM:<{event.address}>"
        case smtp.Rcpt():
            return f"RCPT TO:<{event.address}>"
        case smtp.Verify():
            return f"VRFY {event.text}"
        case smtp.BodyEnd():
            return "the message"
        case smtp.AuthResponse():
            return "AUTH"
        case _:
            return type(event).__name__.upper()
