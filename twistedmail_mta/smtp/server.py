"""The server's end of an SMTP session, as a state machine without input or output.

Octets go in, events come out; the driver decides, and its replies go out in
the order of the commands.  What is only syntax or order is answered here.
"""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp import answers
from twistedmail_mta.smtp.command import (
    MAX_AUTH_LINE,
    MAX_COMMAND,
    decode_argument,
    parse_chunk,
    parse_response,
    skip_telnet,
    split_command,
)
from twistedmail_mta.smtp.errors import CommandError
from twistedmail_mta.smtp.events import (
    Answered,
    Auth,
    AuthCancelled,
    AuthResponse,
    BodyBlock,
    BodyEnd,
    Chunk,
    Data,
    Event,
    Hello,
    Mail,
    Quit,
    Rcpt,
    Reset,
    StartTLS,
    Verify,
)
from twistedmail_mta.smtp.intake import ChunkIntake, DataIntake
from twistedmail_mta.smtp.reply import encode_reply
from twistedmail_mta.smtp.verbs import LMTP_VERBS, VERBS, SessionSettings, Standing, Transaction
from twistedmail_mta.wire import LineTooLong, WireBuffer

__all__ = [
    "Answered",
    "Auth",
    "AuthCancelled",
    "AuthResponse",
    "BodyBlock",
    "BodyEnd",
    "Chunk",
    "Data",
    "Event",
    "Hello",
    "Mail",
    "Quit",
    "Rcpt",
    "Reset",
    "ServerSession",
    "SessionSettings",
    "StartTLS",
    "Verify",
]

_NEED_REPLY: Final = (Hello, Mail, Rcpt, Data, BodyEnd, StartTLS, Auth, AuthResponse, Verify, Quit)


class ServerSession:
    """One client's session.

    Give it octets with `receive_bytes` and call `next_event` until it returns
    None.  An event that needs a reply is answered by `send_reply` before the
    next one comes: so pipelined commands are answered in order (RFC 2920
    section 3.2).  Then write `bytes_to_send`, and close if `closing` is set.

    Attributes:
        closing: everything is said; close when it is written.
        commands: how many lines the client has sent, those of bodies aside.
        errors: how many of the replies were refusals for good (5xx).
    """

    __slots__ = (
        "_challenged",
        "_input",
        "_intake",
        "_output",
        "_standing",
        "_unanswered",
        "_verbs",
        "closing",
        "commands",
        "errors",
    )

    def __init__(self, settings: SessionSettings) -> None:
        self.closing = False
        self.commands = 0
        self.errors = 0
        self._standing = Standing(settings)
        self._verbs = LMTP_VERBS if settings.lmtp else VERBS
        self._input = WireBuffer()
        self._output: list[bytes] = []
        self._unanswered: Event | None = None
        self._challenged = False  # the next line is a response to a challenge
        self._intake: DataIntake | ChunkIntake | None = None  # the next octets are a body's

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that may be used now; with none AUTH isn't offered.  The driver sets them."""
        return self._standing.mechanisms

    @mechanisms.setter
    def mechanisms(self, mechanisms: tuple[str, ...]) -> None:
        self._standing.mechanisms = mechanisms

    @property
    def tls_available(self) -> bool:
        """Whether STARTTLS may be used, encrypted sessions aside.  The driver sets it."""
        return self._standing.tls_available

    @tls_available.setter
    def tls_available(self, available: bool) -> None:
        self._standing.tls_available = available

    @property
    def tls_active(self) -> bool:
        """Whether the connection is encrypted.  The driver sets it where TLS begins with the first octet."""
        return self._standing.tls_active

    @tls_active.setter
    def tls_active(self, active: bool) -> None:
        self._standing.tls_active = active

    def greet(self, reply: Reply) -> None:
        """Queue the greeting, 220 or a refusal (RFC 5321 section 3.1)."""
        self._write(reply)

    def receive_bytes(self, data: bytes) -> None:
        """Take octets from the transport, also while an event is unanswered.

        Raises:
            Overflow: the client sends on and on although the transport is paused.
        """
        if not self.closing:
            self._input.append(data)

    def next_event(self) -> Event | None:
        """Return what happened next; None when more octets, or the driver's reply, are needed first.

        Each call looks at one command at most, so the driver stays in charge
        of how fast it answers.
        """
        if self._unanswered is not None or self.closing:
            return None
        event = self._read()
        if isinstance(event, _NEED_REPLY):
            self._unanswered = event
        return event

    def send_reply(self, reply: Reply, *others: Reply) -> None:
        """Answer the last event.

        In LMTP the end of a message is answered once for each RCPT that was
        accepted (RFC 2033 section 4.2): by as many replies as given here, in
        the order of the RCPT, or by one that holds for all.

        Raises:
            RuntimeError: no event waits for an answer; the driver is wrong.
        """
        event, self._unanswered = self._unanswered, None
        if isinstance(event, BodyEnd):
            self._end_body(event, (reply, *others))
            return
        match event:
            case None:
                raise RuntimeError("no event waits for a reply")
            case Hello() if reply.accepts:
                reply = self._standing.welcome(event, reply.text)
            case Mail() if reply.accepts:
                self._standing.transaction, self._standing.owed = Transaction(event.parameters.smtputf8), 0
            case Rcpt() if reply.accepts and self._standing.transaction is not None:
                self._standing.transaction.accepted += 1
            case Data() if reply.code == 354:
                self._intake = DataIntake(self._input, self._standing.new_body(), typed=self._input.bare_end)
            case StartTLS() if reply.accepts and self._input:
                reply = self._refuse_injection()
            case Auth() | AuthResponse():
                self._challenged = reply.code == 334
            case _:
                pass
        self._write(reply)
        if isinstance(event, Quit):
            self._close()

    def _end_body(self, event: BodyEnd, replies: tuple[Reply, ...]) -> None:
        standing = self._standing
        recipients = standing.transaction.accepted if standing.settings.lmtp and standing.transaction else 1
        if event.last or event.fault is not None or not replies[0].accepts:
            standing.drop()
            standing.owed = 0 if event.last else recipients
        self._write(replies[0])
        if event.last and recipients > 1:
            others = replies[1:] or replies * (recipients - 1)
            self._output += map(encode_reply, others)

    def bytes_to_send(self) -> bytes:
        """Take what is to be written."""
        octets = b"".join(self._output)
        self._output.clear()
        return octets

    @property
    def has_input(self) -> bool:
        """Whether octets wait to be looked at."""
        return bool(self._input)

    @property
    def has_output(self) -> bool:
        """Whether something is to be written."""
        return bool(self._output)

    def starttls_done(self, mechanisms: tuple[str, ...] = ()) -> None:
        """Begin anew under TLS, as if nothing had been said (RFC 3207 section 4.2)."""
        self._input.clear()
        self._standing.forget()
        self.tls_active = True
        self.mechanisms = mechanisms

    def authenticated(self) -> None:
        """Take notice that the client has logged in: no second AUTH (RFC 4954 section 4)."""
        self._standing.authenticated = True

    def _write(self, reply: Reply) -> None:
        self._output.append(encode_reply(reply))
        if reply.code >= 500:
            self.errors += 1
        elif reply.code == 421:
            self._close()

    def _close(self) -> None:
        self.closing = True
        self._input.clear()

    def _answer(self, reply: Reply) -> Answered:
        self._write(reply)
        return Answered(reply)

    def _read(self) -> Event | None:
        if self._intake is not None:
            return self._read_body(self._intake)
        return self._read_response() if self._challenged else self._read_command()

    def _read_command(self) -> Event | None:
        try:
            line = self._input.take_line(MAX_AUTH_LINE)
            return None if line is None else self._obey(line)
        except LineTooLong:
            self.commands += 1
            return self._answer(answers.COMMAND_TOO_LONG)
        except CommandError as error:
            return self._answer(error.reply)

    def _obey(self, line: bytes) -> Event | None:
        if not self.commands:
            line = skip_telnet(line)
        self.commands += 1
        verb, octets = split_command(line)
        if verb == b"BDAT":
            return self._begin_chunk(octets)
        if len(line) > MAX_COMMAND and verb != b"AUTH":
            raise CommandError(answers.COMMAND_TOO_LONG)
        obey = self._verbs.get(verb)
        if obey is None:
            raise CommandError(answers.UNKNOWN_COMMAND)
        outcome = obey(self._standing, decode_argument(octets))
        if isinstance(outcome, Reply):
            return self._answer(outcome)
        if isinstance(outcome, StartTLS) and self._input:
            return self._answer(self._refuse_injection())
        if isinstance(outcome, Reset):
            self._write(answers.RESET)
        return outcome

    def _refuse_injection(self) -> Reply:
        """Hear nothing more: what came in clear after STARTTLS isn't the client's (RFC 3207 section 4.2)."""
        self._close()
        return answers.TLS_INJECTION

    def _read_response(self) -> Event | None:
        try:
            line = self._input.take_line(MAX_AUTH_LINE)
            if line is None:
                return None
            self.commands += 1
            return AuthResponse(parse_response(line))
        except LineTooLong:
            self._write(answers.RESPONSE_TOO_LONG)
        except CommandError as error:
            self._write(error.reply)
        self._challenged = False
        return AuthCancelled()

    def _begin_chunk(self, argument: bytes) -> Event | None:
        """Read a chunk, even one that can't be taken: its octets are no commands (RFC 3030 section 2)."""
        try:
            chunk = parse_chunk(decode_argument(argument))
        except CommandError:
            self._close()
            raise
        try:
            transaction = self._standing.demand_recipients()
        except CommandError as error:
            self._intake = ChunkIntake(self._input, self._standing.new_body(), chunk, error.reply)
            return self._read_body(self._intake)
        transaction.body = transaction.body or self._standing.new_body()
        self._intake = ChunkIntake(self._input, transaction.body, chunk)
        return chunk

    def _read_body(self, intake: DataIntake | ChunkIntake) -> Event | None:
        event = intake.next_event()
        if isinstance(intake, DataIntake) and intake.awaits_other_end:
            self._close()
            return self._answer(answers.BARE_LF_TYPED)
        if event is None and intake.body.is_hopeless:
            return self._answer(answers.FAR_TOO_LARGE)
        if not isinstance(event, BodyEnd):
            return event
        self._intake = None
        if intake.refusal is None:
            return event
        if event.last and self._standing.settings.lmtp:
            return self._answer_refused_chunk(intake.refusal)
        return self._answer(intake.refusal)

    def _answer_refused_chunk(self, refusal: Reply) -> Answered:
        """Answer a last chunk that can't be taken: nothing, where no RCPT was accepted (RFC 2033 section 4.3)."""
        self._output += [encode_reply(refusal)] * self._standing.owed
        self._standing.owed = 0
        self.errors += 1
        return Answered(refusal)
