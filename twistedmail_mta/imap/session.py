"""The server's end of an IMAP session, as a state machine without input or output.

Octets go in, events come out; the driver does what needs a password judged or
a mailbox looked at, and everything leaves in the order of the commands.  What is
wrong with a command, or comes at the wrong time, is answered here.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from twistedmail_mta.imap import append, reader
from twistedmail_mta.imap.append import Message
from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.imap.command import Wrong, read_command
from twistedmail_mta.imap.events import (
    Answered,
    AppendBegins,
    AppendEnds,
    AppendFails,
    AuthResponse,
    Do,
    Event,
    IdleEnds,
    MessageBegins,
    MessageEnds,
    MessageOctets,
)
from twistedmail_mta.imap.reader import MAX_COMMAND, CommandReader
from twistedmail_mta.imap.response import UNTAGGED, Response, bad, encode
from twistedmail_mta.imap.states import State, misplaced
from twistedmail_mta.imap.tokens import BadSyntax
from twistedmail_mta.sasl.base64 import decode_base64
from twistedmail_mta.wire import LineTooLong

MAX_STRANGERS_COMMAND: Final = 8 * 1024
"""Octets of a command before the login."""
MAX_RESPONSE: Final = 12288
"""Octets of an answer to a challenge, with its line end."""
MAX_DONE: Final = 1024
"""Octets of the line that ends IDLE."""

CONTINUE: Final = b"+ OK\r\n"


class _Line(Enum):
    """What the next line of the client is, if it is no command."""

    RESPONSE = auto()
    """The answer to a challenge."""
    DONE = auto()
    """The end of IDLE."""


class ServerSession:
    """One client's session.

    Give it octets with `receive_bytes` and call `next_event` until it returns
    None.  An event that needs an answer gets it before the next one comes, so
    pipelined commands are answered in order.  Then write `bytes_to_send`, and
    close if `closing` is set.

    Attributes:
        state: how far it has come.
        closing: everything is said; close when it is written.
        errors: how many commands made no sense, or came in the wrong state.
        queued: octets that `bytes_to_send` would return.
        extensions: what was enabled.
    """

    __slots__ = (
        "_answering", "_line", "_message", "_output", "_reader", "_refusal", "_tag", "_taking", "_waits", "closing",
        "errors", "extensions", "queued", "state",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state = State.NOT_AUTHENTICATED
        self.closing = False
        self.errors = 0
        self.queued = 0
        self.extensions: frozenset[Extension] = frozenset()
        self._reader = CommandReader(MAX_STRANGERS_COMMAND)
        self._output: list[bytes] = []
        self._tag = b""  # of the command that is being answered
        self._answering = False
        self._line: _Line | None = None
        self._message: Message | None = None  # the one before the next, in APPEND
        self._taking = False  # messages of an APPEND are taken
        self._waits = False  # the client waits for a continuation before it sends its message
        self._refusal: Response | None = None  # why they aren't

    # What was enabled

    @property
    def rev2(self) -> bool:
        """Whether the client understands IMAP4rev2."""
        return Extension.REV2 in self.extensions

    @property
    def utf8(self) -> bool:
        """Whether names and quoted strings are in UTF-8 (RFC 6855 section 3, RFC 9051 section 5.1)."""
        return Extension.UTF8 in self.extensions or Extension.REV2 in self.extensions

    @property
    def condstore(self) -> bool:
        """Whether the client is told mod-sequences (RFC 7162 section 3.1)."""
        return Extension.CONDSTORE in self.extensions

    @property
    def qresync(self) -> bool:
        """Whether the client is told of vanished messages by their UIDs (RFC 7162 section 3.2.3)."""
        return Extension.QRESYNC in self.extensions

    def enable(self, extension: Extension) -> None:
        """Enable an extension; QRESYNC brings CONDSTORE with it (RFC 7162 section 3.2.3)."""
        self.extensions |= {extension}
        if extension is Extension.QRESYNC:
            self.extensions |= {Extension.CONDSTORE}

    # In

    @property
    def has_input(self) -> bool:
        """Whether octets wait that no command was read from yet, or a refusal that is to be told without any."""
        return len(self._reader) > 0 or self._refusal is not None

    @property
    def busy(self) -> bool:
        """Whether a command is under way: nothing but its own answers may be said."""
        return self._answering or self._line is _Line.RESPONSE or self._taking

    def receive_bytes(self, data: bytes) -> None:
        """Take octets from the transport, also while an event is unanswered.

        Raises:
            Overflow: the client sends on and on although the transport is paused.
        """
        if not self.closing:
            self._reader.receive(data)

    def next_event(self) -> Event | None:
        """Return what happened next; None when more octets, or the driver's answer, are needed first."""
        if self._answering or self.closing:
            return None
        if self._line is not None:
            return self._read_line(self._line)
        event = self._reader.next_event()
        return None if event is None else self._told(event)

    def _told(self, event: reader.Event) -> Event:
        match event:
            case reader.Octets(octets):
                return MessageOctets(octets)
            case reader.MessageEnds():
                return MessageEnds()
            case reader.Complete():
                return self._command(event)
            case reader.Announced():
                return self._announced(event)
            case reader.Refused():
                return self._refused(event)
            case reader.Continue():
                self.send(CONTINUE)
                return Answered()

    def _read_line(self, awaited: _Line) -> Event | None:
        try:
            line = self._reader.take_line(MAX_RESPONSE if awaited is _Line.RESPONSE else MAX_DONE)
        except LineTooLong:
            return self._wrong(self._tag, "The line is too long")
        if line is None:
            return None
        return self._read_response(line) if awaited is _Line.RESPONSE else self._read_done(line)

    def _read_response(self, line: bytes) -> Event:
        octets = None if line == b"*" else decode_base64(line)
        if octets is None:
            return self._wrong(self._tag, "Cancelled" if line == b"*" else "The response isn't base64")
        self._line, self._answering = None, True
        return AuthResponse(self._tag, octets)

    def _read_done(self, line: bytes) -> Event:
        if line.upper() != b"DONE":
            return self._wrong(self._tag, "Expected DONE")
        self._line, self._answering = None, True
        return IdleEnds(self._tag)

    def _command(self, complete: reader.Complete) -> Event:
        if self._taking:
            return self._end_append(complete)
        read = read_command(complete.parts, utf8=self.utf8)
        if isinstance(read, Wrong):
            return self._wrong(read.tag, read.text)
        wrong = misplaced(read.verb, self.state)
        if wrong is not None:
            return self._wrong(read.tag, wrong)
        self._tag, self._answering = read.tag, True
        return Do(read)

    def _refused(self, refused: reader.Refused) -> Event:
        """Answer a command that couldn't be read, or whose message wasn't wanted."""
        refusal, self._refusal = self._refusal, None
        taking, self._taking = self._taking, False
        if refusal is None:
            answered = self._wrong(refused.tag, refused.text)
        else:
            self.send(encode(self._tag, refusal))
            answered = Answered()
        return AppendFails() if taking else answered

    def _announced(self, announced: reader.Announced) -> Event:
        """Read what was said of a message that is to come, and ask whether it may."""
        self._waits = announced.waits
        if self._taking and self._message is not None:
            return self._next_message(announced, self._message)
        begun = append.read_append(announced, utf8=self.utf8)
        self._tag = reader.tag_of(announced.parts[0]) if isinstance(announced.parts[0], bytes) else b""
        wrong = misplaced("APPEND", self.state)
        if isinstance(begun, BadSyntax) or wrong is not None:
            return self._unwanted(wrong or str(begun))
        self._message, self._answering = begun.message, True
        return AppendBegins(begun.tag, begun.mailbox, begun.message)

    def _next_message(self, announced: reader.Announced, before: Message) -> Event:
        message = append.read_next(announced, before)
        if isinstance(message, BadSyntax):
            return self._unwanted(str(message))
        self._message, self._answering = message, True
        return MessageBegins(message)

    def _unwanted(self, why: str) -> Event:
        self.errors += 1
        self._refusal = bad(why)
        self._reader.refuse()
        return Answered()

    def _end_append(self, complete: reader.Complete) -> Event:
        before, self._message, self._taking = self._message, None, False
        wrong = None if before is None else append.read_end(complete.parts, before)
        if wrong is not None:
            self._wrong(self._tag, str(wrong))
            return AppendFails()
        self._answering = True
        return AppendEnds(self._tag)

    def _wrong(self, tag: bytes, text: str) -> Answered:
        self.errors += 1
        self._line = None
        self.send(encode(tag or UNTAGGED, bad(text)))
        return Answered()

    # Out

    def send(self, octets: bytes) -> None:
        """Queue complete lines, or a piece of a long answer, as they go on the wire."""
        self._output.append(octets)
        self.queued += len(octets)

    def say(self, response: Response) -> None:
        """Queue a response that answers no command."""
        self.send(encode(UNTAGGED, response))

    def complete(self, response: Response) -> None:
        """Answer the command that the last event came of.

        Raises:
            RuntimeError: no event waits for an answer; the driver is wrong.
        """
        if not self._answering:
            raise RuntimeError("no command waits for a response")
        self._answering = False
        self.errors += response.condition.value == b"BAD"
        self.send(encode(self._tag, response))

    def challenge(self, octets: bytes) -> None:
        """Answer AUTHENTICATE, or the answer to a challenge, with a challenge in base64 (RFC 9051 section 6.2.2)."""
        self._answering, self._line = False, _Line.RESPONSE
        self.send(b"+ " + octets + b"\r\n")

    def begin_idle(self) -> None:
        """Wait for DONE; until then whatever happens may be said (RFC 9051 section 6.3.13)."""
        self._answering, self._line = False, _Line.DONE
        self.send(b"+ idling\r\n")

    @property
    def idling(self) -> bool:
        """Whether the client waits for news."""
        return self._line is _Line.DONE

    def accept_message(self) -> None:
        """Let the announced message come."""
        self._answering, self._taking = False, True
        if self._waits:
            self.send(CONTINUE)
        self._reader.accept()

    def refuse_message(self, response: Response) -> None:
        """Don't take the announced message, and none of the command; say so when the command is over."""
        self._answering, self._refusal = False, response
        self._reader.refuse()

    def log_in(self) -> None:
        """Go to the authenticated state: longer commands are heard."""
        self.state = State.AUTHENTICATED
        self._reader.limit = MAX_COMMAND

    def starttls_done(self) -> None:
        """Forget what came in clear behind STARTTLS: it isn't the client's (RFC 9051 section 6.2.1)."""
        self._reader.clear()

    def close(self) -> None:
        """Hear nothing more."""
        self.closing = True
        self._reader.clear()

    def bytes_to_send(self) -> bytes:
        """Take what is to be written."""
        octets = b"".join(self._output)
        self._output.clear()
        self.queued = 0
        return octets
