"""The server's end of a POP3 session, as a state machine without input or output.

Octets go in, events come out; the driver does what needs a password judged or
a message read, and everything leaves in the order of the commands.  The rest
is answered here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from twistedmail_mta.model import DropMessage
from twistedmail_mta.pop3 import answers
from twistedmail_mta.pop3.command import (
    MAX_AUTH_LINE,
    MAX_COMMAND,
    CommandError,
    decode_argument,
    parse_response,
    split_command,
)
from twistedmail_mta.pop3.drop import Drop
from twistedmail_mta.pop3.events import (
    Answered,
    Auth,
    AuthCancelled,
    AuthResponse,
    Event,
    Foreseen,
    Login,
    Quit,
    Retrieve,
    StartTLS,
)
from twistedmail_mta.pop3.response import Response, encode_response
from twistedmail_mta.pop3.standing import SessionSettings, Standing
from twistedmail_mta.pop3.verbs import VERBS
from twistedmail_mta.smtp.command import skip_telnet
from twistedmail_mta.wire import LineTooLong, WireBuffer

_NEED_RESPONSE: Final = (Login, Auth, AuthResponse, StartTLS, Retrieve, Quit)


class _Foreseen(NamedTuple):
    """What the client will say if it goes on as it does, and the answer.

    Attributes:
        line: with its end.
        number: of the message it asks for.
        answer: as it goes on the wire.
    """

    line: bytes
    number: int
    answer: bytes


class ServerSession:
    """One client's session.

    Give it octets with `receive_bytes` and call `next_event` until it returns
    None.  An event that needs a response gets it by `send_response` or
    `send_challenge` before the next one comes, so pipelined commands are
    answered in order (RFC 2449 section 6.6).  Then write `bytes_to_send`, and
    close if `closing` is set.

    Attributes:
        closing: everything is said; close when it is written.
        errors: how many commands made no sense, or came in the wrong state.
        queued: octets that `bytes_to_send` would return.
    """

    __slots__ = (
        "_challenged",
        "_foreseen",
        "_input",
        "_lines",
        "_output",
        "_standing",
        "_unanswered",
        "closing",
        "errors",
        "queued",
    )

    def __init__(self, settings: SessionSettings) -> None:
        self.closing = False
        self.errors = 0
        self.queued = 0
        self._standing = Standing(settings)
        self._input = WireBuffer()
        self._output: list[bytes] = []
        self._unanswered: Event | None = None
        self._challenged = False  # the next line is a response to a challenge
        self._lines = 0
        self._foreseen: _Foreseen | None = None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that may be used now; with none nobody can log in.  The driver sets them."""
        return self._standing.mechanisms

    @mechanisms.setter
    def mechanisms(self, mechanisms: tuple[str, ...]) -> None:
        self._standing.mechanisms = mechanisms

    @property
    def tls_available(self) -> bool:
        """Whether STLS may be used, encrypted sessions aside.  The driver sets it."""
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

    @property
    def utf8(self) -> bool:
        """Whether the client takes messages with UTF-8 in their headers (RFC 6856 section 2.1)."""
        return self._standing.utf8

    @property
    def has_input(self) -> bool:
        """Whether octets wait that no command was read from yet."""
        return len(self._input) > 0

    def greet(self) -> None:
        """Queue the greeting (RFC 1939 section 4)."""
        self._write(answers.greeting(self._standing.settings.hostname))

    def receive_bytes(self, data: bytes) -> None:
        """Take octets from the transport, also while an event is unanswered.

        Raises:
            Overflow: the client sends on and on although the transport is paused.
        """
        if not self.closing:
            self._input.append(data)

    def next_event(self) -> Event | None:
        """Return what happened next; None when more octets, or the driver's response, are needed first."""
        if self._unanswered is not None or self.closing:
            return None
        if self._foreseen is not None and self._is_just(self._foreseen):
            return self._answer_foreseen(self._foreseen)
        event = self._read_response() if self._challenged else self._read_command()
        if isinstance(event, _NEED_RESPONSE):
            self._unanswered = event
        return event

    def _is_just(self, foreseen: _Foreseen) -> bool:
        drop = self._standing.drop
        return self._input.is_just(foreseen.line) and drop is not None and not drop.is_deleted(foreseen.number)

    def _answer_foreseen(self, foreseen: _Foreseen) -> Event:
        self._foreseen = None
        self._input.clear()
        self.send_block(foreseen.answer)
        return Foreseen(foreseen.number)

    def enter(self, messages: Sequence[DropMessage], sizes: Sequence[int], uidls: Iterable[str]) -> Response:
        """Go to the TRANSACTION state; return the response for the login (RFC 1939 section 4).

        Args:
            messages: the maildrop.
            sizes: of each of them.
            uidls: likewise.
        """
        drop = self._standing.drop = Drop(messages, sizes, uidls)
        return answers.logged_in(drop.count, drop.octets)

    def send_response(self, response: Response, *, last: bool = False) -> None:
        """Answer the last event.

        Args:
            response: the answer.
            last: hear nothing more.

        Raises:
            RuntimeError: no event waits for an answer; the driver is wrong.
        """
        event, self._unanswered = self._unanswered, None
        if event is None:
            raise RuntimeError("no event waits for a response")
        self._challenged = False
        self._write(response)
        if last or isinstance(event, Quit):
            self._close()

    def worded(self, response: Response) -> bytes:
        """Return the line of a response in the language spoken now."""
        return encode_response(response, self._standing.language.texts)

    def foresee(self, number: int, answer: bytes) -> None:
        """Be told the whole answer to RETR of a message, in case that comes next, or after nothing but DELE.

        Then the event is `Foreseen`.  Clients that fetch one message after
        another get their answers sooner so: nothing has to be read or made.

        Args:
            number: of the message, which isn't marked as deleted.
            answer: its first line (`worded`), the message, and its end.
        """
        self._foreseen = _Foreseen(b"RETR %d\r\n" % number, number, answer)

    def send_challenge(self, challenge: bytes) -> None:
        """Answer the last event with a challenge, already in base64 (RFC 5034 section 4)."""
        self._unanswered = None
        self._challenged = True
        self.send_block(b"+ " + challenge + b"\r\n")

    def send_block(self, block: bytes) -> None:
        """Queue a piece of a long answer, as it goes on the wire."""
        self._output.append(block)
        self.queued += len(block)

    def end(self, response: Response) -> None:
        """Say a last word that nobody asked for, and hear nothing more."""
        self._write(response)
        self._close()

    def bytes_to_send(self) -> bytes:
        """Take what is to be written."""
        octets = b"".join(self._output)
        self._output.clear()
        self.queued = 0
        return octets

    def starttls_done(self, mechanisms: tuple[str, ...] = ()) -> None:
        """Begin anew under TLS; what came in clear behind STLS isn't the client's (RFC 2595 section 4)."""
        self._input.clear()
        self._standing.forget()
        self.tls_active = True
        self.mechanisms = mechanisms

    def _write(self, response: Response, tag: str = "") -> None:
        self.send_block(encode_response(response, self._standing.language.texts, tag))

    def _close(self) -> None:
        self.closing = True
        self._input.clear()

    def _answer(self, response: Response) -> Answered:
        tag = self._standing.language.tag if response is answers.LANGUAGE_CHOSEN else ""
        self._write(response, tag)
        return Answered(response)

    def _refuse(self, response: Response) -> Answered:
        self.errors += response not in answers.HARMLESS
        return self._answer(response)

    def _read_command(self) -> Event | None:
        try:
            line = self._input.take_line(MAX_AUTH_LINE)
            return None if line is None else self._obey(line)
        except LineTooLong:
            return self._refuse(answers.LINE_TOO_LONG)
        except CommandError as error:
            return self._refuse(error.response)

    def _obey(self, line: bytes) -> Event:
        if not self._lines:
            line = skip_telnet(line)
        self._lines += 1
        verb, octets = split_command(line)
        obey = VERBS.get(verb)
        if verb != b"DELE":
            self._foreseen = None  # LANG may have changed the words, and who asks for anything else goes another way
        if verb != b"PASS":
            self._standing.name = None  # PASS comes immediately after USER (RFC 1939 section 7)
        if len(line) > MAX_COMMAND and verb != b"AUTH":
            raise CommandError(answers.LINE_TOO_LONG)
        if obey is None:
            raise CommandError(answers.UNKNOWN_COMMAND if line.strip() else answers.EMPTY_LINE)
        outcome = obey(self._standing, decode_argument(octets))
        if isinstance(outcome, Response):
            return self._answer(outcome)
        if isinstance(outcome, tuple):
            self._write(outcome[0])
            return outcome[1]
        return outcome

    def _read_response(self) -> Event | None:
        try:
            line = self._input.take_line(MAX_AUTH_LINE)
            return None if line is None else AuthResponse(parse_response(line))
        except LineTooLong:
            self._refuse(answers.LINE_TOO_LONG)
        except CommandError as error:
            self._refuse(error.response)
        self._challenged = False
        return AuthCancelled()
