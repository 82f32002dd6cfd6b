"""The SMTP and LMTP client session: octets in, the next thing to do and octets out.

RFC 5321, 2033, 2920, 3030, 3207, 4954.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from twistedmail_mta.model import Envelope, Outcome, Reply, TLSLevel
from twistedmail_mta.sasl.client import Credentials
from twistedmail_mta.smtp.client_body import Chunked, Dotted
from twistedmail_mta.smtp.client_commands import Extensions
from twistedmail_mta.smtp.client_opening import UNKNOWN_COMMAND, Opening
from twistedmail_mta.smtp.client_reply import BadReply, ReplyReader, clipped
from twistedmail_mta.smtp.client_steps import OUT_OF_STEP, PHASES, Awaited, Command, Event, Phase, fits, host_refusal
from twistedmail_mta.smtp.client_transaction import MESSAGE, ClientTransaction, Host
from twistedmail_mta.smtp.xforward import Forwarded

INJECTED: Final = Reply(451, "4.7.5", "The host sent something between its answer to STARTTLS and TLS")
CLOSING: Final = 421
ENDS: Final = (Awaited.DATA, Awaited.FINAL)
"""What a transaction ends with, if anybody was taken."""


class ClientSession:
    """One connection to a server, for as many transactions as its owner likes.

    The owner feeds `receive_bytes`, writes what `bytes_to_send` returns, and
    does what `next_event` says.  Nothing here raises for what the peer sends.

    Attributes:
        failure: why the session ended; None while it lives and after QUIT.
        closed: whether it has ended.
        is_unproven: TLS was asked for or begun, and nothing was read through it yet.
        replies: how many replies were taken so far; each has a time limit of its own.
        proof: how the host proved who it is, as the log says it; empty: it didn't. The driver sets it.
        mail_accepted: the host took MAIL of the last transaction: until then it can't have begun to act on it.
    """

    def __init__(  # noqa: PLR0913 - a session has that many sides
        self,
        hello: str,
        remote: str,
        *,
        tls: TLSLevel = "opportunistic",
        encrypted: bool = False,
        credentials: Credentials | None = None,
        lmtp: bool = False,
    ) -> None:
        """Begin a session at the greeting.

        Args:
            hello: our name for EHLO.
            remote: the host, as outcomes name it: "name [address]".
            tls: what is demanded of STARTTLS.
            encrypted: TLS is in use from the first octet.
            credentials: how to log in, or None.
            lmtp: the server speaks LMTP.
        """
        self.failure: Reply | None = None
        self.closed = False
        self.replies = 0
        self.mail_accepted = False
        self.proof = ""
        self.is_unproven = encrypted
        self._remote = remote
        self._lmtp = lmtp
        self._opening = Opening(hello, tls, credentials, encrypted=encrypted, lmtp=lmtp)
        self._transaction: ClientTransaction | None = None
        self._reader = ReplyReader()
        self._body: Dotted | Chunked = Dotted()
        self._out: list[bytes] = []
        self._unsent: deque[Command] = deque()
        self._awaited: deque[Awaited] = deque((Awaited.GREETING,))
        self._event: Event | None = None
        self._in_body = False
        self._needs_reset = False
        self._quits_after = False

    @property
    def extensions(self) -> Extensions:
        """What the host offers."""
        return self._opening.extensions

    @property
    def encrypted(self) -> bool:
        """Whether TLS is in use."""
        return self._opening.encrypted

    @property
    def lacks_tls(self) -> bool:
        """Whether TLS was wanted, and the host doesn't offer it, or doesn't do it."""
        return self._opening.lacks_tls

    @property
    def phase(self) -> Phase:
        """Which time limit holds now (RFC 5321 section 4.5.3.2)."""
        if self._in_body:
            return "block"
        return PHASES[self._awaited[0]] if self._awaited else "mail"

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """What became of the last transaction, for each recipient in order."""
        return () if self._transaction is None else self._transaction.outcomes

    def receive_bytes(self, data: bytes) -> None:
        """Take octets from the wire."""
        self._reader.receive(data)

    def bytes_to_send(self) -> bytes:
        """Return what to write now, and forget it."""
        out, self._out = b"".join(self._out), []
        return out

    def next_event(self) -> Event | None:
        """Return what to do next, or None when more octets are needed for that."""
        while self._event is None and not self.closed:
            try:
                reply = self._reader.next_reply()
            except BadReply as error:
                self.end(Reply(451, "4.5.0", f"The host sent {error}"))
                break
            if reply is None:
                return None
            self.is_unproven = False
            self.replies += 1
            self._take(reply)
        event, self._event = self._event, None
        return event or Event.CLOSED

    def tls_started(self) -> None:
        """TLS was begun on the transport: forget everything and say EHLO again."""
        self._reader = ReplyReader()
        self._opening.encrypted = self.is_unproven = True
        self._say(self._opening.hello())

    def begin(
        self,
        envelope: Envelope,
        size: int,
        *,
        last: bool = False,
        probe: bool = False,
        forwarded: Forwarded | None = None,
    ) -> None:
        """Begin a transaction; after READY, or after FINISHED while the session isn't closed.

        Args:
            envelope: the sender, and the recipients that are meant.
            size: octets of the message.
            last: QUIT follows, in one write with the end of the message where that is allowed.
            probe: ask about the recipients, send no message.
            forwarded: whom the message came from first, for a content filter.
        """
        self._quits_after = last
        self.mail_accepted = False
        opening = self._opening
        host = Host(
            self._remote, self.extensions, opening.authenticated, self._lmtp, self.encrypted, forwarded, self.proof
        )  # fmt: skip
        self._transaction = ClientTransaction(envelope, size, host, probe=probe)
        self._begin_round(self._transaction)

    def send_body(self, block: bytes) -> None:
        """Take the next octets of the message, as they are stored."""
        if self._in_body and (out := self._body.add(block)):
            self._out += out
            if isinstance(self._body, Chunked):
                self._awaited.append(Awaited.CHUNK)

    def end_body(self) -> None:
        """End the message."""
        if not self._in_body or self._transaction is None:
            return
        self._in_body = False
        self._out += self._body.end()
        self._awaited += [Awaited.FINAL] * self._transaction.answers_to_message
        if self._quits_after and self._transaction.is_last_round and "PIPELINING" in self.extensions:
            self.quit()

    def quit(self) -> None:
        """Say QUIT; the answer may come or not."""
        if not self.closed and Awaited.QUIT not in self._awaited:
            self._say((Awaited.QUIT, b"QUIT"))

    def lost(self) -> None:
        """The connection is gone."""
        self.end(Reply(451, "4.4.2", f"The connection was lost {self._moment()}"))

    def timed_out(self) -> None:
        """The peer let the time of the present phase pass."""
        self.end(Reply(451, "4.4.2", f"The time ran out {self._moment()}"))

    def end(self, reply: Reply) -> None:
        """Give the session up; a recipient without an outcome gets this reply.

        A message whose last octet was sent is unconfirmed, unless the host
        itself said that it closes.
        """
        if self.closed:
            return
        if self._transaction is not None:
            self._transaction.abandon(reply, confirmed=Awaited.FINAL not in self._awaited or reply.code == CLOSING)
        if not (self._awaited and self._awaited[0] is Awaited.QUIT):
            self.failure = reply
        self._in_body = False
        self.closed = True
        self._event = None

    def _moment(self) -> str:
        if self._in_body:
            return "while the message was sent"
        return f"before {self._awaited[0].value}" if self._awaited else "between two messages"

    def _say(self, command: Command) -> None:
        awaited, line = command
        self._awaited.append(awaited)
        self._out.append(line + b"\r\n")

    def _take(self, reply: Reply) -> None:
        if not self._awaited:
            self._take_unasked(reply)
        elif self._awaited[0] is Awaited.QUIT:
            self.closed = True
        elif reply.code == CLOSING:
            self.end(clipped(reply))
        elif self._transaction is None:
            self._open(self._awaited.popleft(), reply)
        elif not fits(self._awaited[0], reply):
            self.end(OUT_OF_STEP)
        else:
            self._converse(self._transaction, self._awaited.popleft(), reply)

    def _take_unasked(self, reply: Reply) -> None:
        if self._in_body and self._transaction is not None and reply.code >= 400 and reply.code != CLOSING:
            self._refuse_message(self._transaction, reply)
        else:
            self.end(clipped(reply) if reply.code == CLOSING else OUT_OF_STEP)

    def _open(self, awaited: Awaited, reply: Reply) -> None:
        step = self._opening.answered(awaited, reply)
        if isinstance(step, Reply):
            self._out.append(b"QUIT\r\n")
            self.end(clipped(step))
        elif step is Event.START_TLS and self._reader.pending:
            self.end(INJECTED)
        elif isinstance(step, Event):
            self._event = step
        else:
            self.is_unproven = step[0] is Awaited.STARTTLS
            self._say(step)

    def _begin_round(self, transaction: ClientTransaction) -> None:
        self._unsent = deque(transaction.commands())
        if not self._unsent:
            self._event = Event.FINISHED
            return
        if self._needs_reset:
            self._unsent.appendleft((Awaited.RSET, b"RSET"))
            self._needs_reset = False
        self._send_commands()

    def _send_commands(self) -> None:
        pipelining = "PIPELINING" in self.extensions
        while self._unsent and (not self._awaited or (pipelining and self._unsent[0] is not MESSAGE)):
            command = self._unsent.popleft()
            if command is MESSAGE:  # once every RCPT is answered (RFC 3030 section 2)
                self._begin_body(Chunked())
                return
            self._say(command)

    def _begin_body(self, body: Dotted | Chunked) -> None:
        self._in_body = True
        self._body = body
        self._event = Event.SEND_BODY

    def _converse(self, transaction: ClientTransaction, awaited: Awaited, reply: Reply) -> None:
        if awaited is Awaited.MAIL:
            self._mail_answered(transaction, reply)
        elif awaited is Awaited.RCPT:
            transaction.rcpt_answered(reply)
        elif awaited is Awaited.DATA:
            self._data_answered(transaction, reply)
        elif awaited is Awaited.CHUNK:
            self._chunk_answered(transaction, reply)
        elif awaited is Awaited.FINAL:
            self._message_answered(transaction, reply)
        elif awaited is Awaited.EMPTY:
            self._needs_reset = False
        if not self._in_body and not self.closed:
            self._go_on(transaction)

    def _mail_answered(self, transaction: ClientTransaction, reply: Reply) -> None:
        if reply.accepts:
            self._needs_reset = self.mail_accepted = True
        else:
            transaction.mail_refused(reply)
            self._unsent.clear()

    def _data_answered(self, transaction: ClientTransaction, reply: Reply) -> None:
        if reply.code >= 400:
            transaction.message_refused(reply)
        elif transaction.has_accepted:
            self._begin_body(Dotted())
        elif self._lmtp:
            self.end(OUT_OF_STEP)  # how many answers an empty message would have, nobody knows
        else:
            self._say((Awaited.EMPTY, b"."))

    def _chunk_answered(self, transaction: ClientTransaction, reply: Reply) -> None:
        if not reply.accepts:
            self._refuse_message(transaction, reply)

    def _message_answered(self, transaction: ClientTransaction, reply: Reply) -> None:
        chunked = transaction.is_chunked
        if chunked and reply.code in UNKNOWN_COMMAND:
            self._refuse_message(transaction, reply)
            return
        transaction.message_answered(reply)
        self._needs_reset = chunked and not reply.accepts  # RFC 3030 section 2

    def _refuse_message(self, transaction: ClientTransaction, reply: Reply) -> None:
        """The host refuses the message in the midst of it, which ends the session; not knowing BDAT is its fault."""
        if transaction.is_chunked and reply.code in UNKNOWN_COMMAND:
            reply = host_refusal(Awaited.CHUNK, reply)
        transaction.message_refused(reply)
        self.end(clipped(reply))

    def _go_on(self, transaction: ClientTransaction) -> None:
        if not self._awaited and self._unsent and self._unsent[0][0] in ENDS and not transaction.has_accepted:
            self._unsent.clear()
        self._send_commands()
        if not self._in_body and (not self._awaited or self._awaited[0] is Awaited.QUIT):
            self._finish_round(transaction)

    def _finish_round(self, transaction: ClientTransaction) -> None:
        if not transaction.is_last_round and transaction.next_round():
            self._begin_round(transaction)
        else:
            transaction.finish()
            self._event = Event.FINISHED
