"""What an IMAP session makes of a client's octets: events in their order, and answers of its own."""

from __future__ import annotations

import pytest

from twistedmail_mta.imap.bare import Bare
from twistedmail_mta.imap.capability import Extension
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
from twistedmail_mta.imap.login import Login
from twistedmail_mta.imap.response import bad, no, ok
from twistedmail_mta.imap.session import MAX_STRANGERS_COMMAND, ServerSession
from twistedmail_mta.imap.states import State
from twistedmail_mta.wire import Overflow


def a_session(state: State = State.AUTHENTICATED) -> ServerSession:
    session = ServerSession()
    if state is not State.NOT_AUTHENTICATED:
        session.log_in()
    session.state = state
    return session


def told(session: ServerSession, octets: bytes) -> list[Event]:
    """Give octets; return all events up to one that needs an answer."""
    session.receive_bytes(octets)
    events = []
    while (event := session.next_event()) is not None:
        events.append(event)
    return events


def done(session: ServerSession, octets: bytes) -> Do:
    """Give a command; return the event it makes."""
    (event,) = told(session, octets)
    assert isinstance(event, Do)
    return event


def test_a_command_waits_for_its_answer() -> None:
    """Pipelined commands come one by one, in order."""
    session = a_session()

    first = done(session, b"a NOOP\r\nb CHECK\r\nc NOOP\r\n")
    session.complete(ok("done"))
    refused = session.next_event()
    second = session.next_event()

    assert first.command.action is Bare.NOOP
    assert isinstance(refused, Answered)
    assert isinstance(second, Do)
    assert second.command.tag == b"c"
    assert session.bytes_to_send() == b"a OK done\r\nb BAD Select a mailbox first\r\n"
    assert session.errors == 1


@pytest.mark.parametrize(
    ("state", "command", "answer"),
    [
        (State.NOT_AUTHENTICATED, b"SELECT INBOX", b"Log in first"),
        (State.NOT_AUTHENTICATED, b"FETCH 1 FLAGS", b"Log in first"),
        (State.NOT_AUTHENTICATED, b"IDLE", b"Log in first"),
        (State.NOT_AUTHENTICATED, b"ENABLE X", b"Log in first"),
        (State.AUTHENTICATED, b"LOGIN a b", b"You have logged in already"),
        (State.AUTHENTICATED, b"STARTTLS", b"You have logged in already"),
        (State.AUTHENTICATED, b"AUTHENTICATE PLAIN", b"You have logged in already"),
        (State.AUTHENTICATED, b"UID FETCH 1 FLAGS", b"Select a mailbox first"),
        (State.AUTHENTICATED, b"CLOSE", b"Select a mailbox first"),
        (State.AUTHENTICATED, b"UID EXPUNGE 1", b"Select a mailbox first"),
        (State.SELECTED, b"LOGIN a b", b"You have logged in already"),
        (State.SELECTED, b"XYZZY", b"Unknown command"),
        (State.SELECTED, b"FETCH 1", b"There is less than the command takes"),
    ],
)
def test_wrong_commands_are_answered(state: State, command: bytes, answer: bytes) -> None:
    """What comes at the wrong time, or can't be read, is BAD and nothing else."""
    session = a_session(state)

    assert told(session, b"a1 " + command + b"\r\n") == [Answered()]
    assert session.bytes_to_send() == b"a1 BAD " + answer + b"\r\n"


@pytest.mark.parametrize("uid", [b"", b"UID "])
@pytest.mark.parametrize(
    "command",
    [
        *(
            b"CHECK",
            b"CLOSE",
            b"UNSELECT",
            b"EXPUNGE",
            b"EXPUNGE 1",
            b"SEARCH ALL",
            b"FETCH 1 UID",
            b"STORE 1 FLAGS ()",
        ),
        *(b"COPY 1 x", b"MOVE 1 x", b"SORT (DATE) UTF-8 ALL", b"THREAD REFERENCES UTF-8 ALL"),
    ],
)
def test_what_takes_a_selected_mailbox(command: bytes, uid: bytes) -> None:
    """RFC 9051 section 6.4: all of these, and their UID forms; elsewhere nobody would know what they are about."""
    read = told(a_session(State.SELECTED), b"a1 " + uid + command + b"\r\n")
    if read == [Answered()]:
        return  # there is no such form

    for state, answer in ((State.AUTHENTICATED, b"Select a mailbox first"), (State.NOT_AUTHENTICATED, b"Log in first")):
        session = a_session(state)
        assert told(session, b"a1 " + uid + command + b"\r\n") == [Answered()]
        assert session.bytes_to_send() == b"a1 BAD " + answer + b"\r\n"


@pytest.mark.parametrize("command", [b"CAPABILITY", b"NOOP", b"ID NIL", b"LOGOUT"])
@pytest.mark.parametrize("state", list(State))
def test_what_is_allowed_anywhere(state: State, command: bytes) -> None:
    """RFC 9051 section 6.1."""
    assert done(a_session(state), b"x " + command + b"\r\n").command.tag == b"x"


def test_a_line_without_a_tag() -> None:
    """It is answered without one."""
    session = a_session()

    assert told(session, b"\r\n") == [Answered()]
    assert session.bytes_to_send() == b"* BAD A command begins with a tag\r\n"


def test_a_literal_is_asked_for() -> None:
    """Only a client that waits for a continuation gets one (RFC 7888 section 3)."""
    session = a_session(State.NOT_AUTHENTICATED)

    assert told(session, b"a LOGIN {3}\r\n") == [Answered()]
    assert session.bytes_to_send() == b"+ OK\r\n"
    login = done(session, b"bob {3+}\r\nxyz\r\n")
    assert login.command.action == Login(b"bob", b"xyz")
    assert session.bytes_to_send() == b""


def test_strangers_are_heard_less() -> None:
    """Before the login a command is short; after it, 64 KiB."""
    session = a_session(State.NOT_AUTHENTICATED)
    line = b"a LOGIN " + b"x" * MAX_STRANGERS_COMMAND + b" y\r\n"

    assert told(session, line) == [Answered()]
    assert session.bytes_to_send() == b"a BAD The command is too long\r\n"
    session.log_in()
    assert told(session, b"b STATUS " + b"x" * 60_000 + b" (MESSAGES)\r\n")


def test_responses_to_challenges() -> None:
    """A response is base64, of one line; `*` cancels (RFC 9051 section 6.2.2)."""
    session = a_session(State.NOT_AUTHENTICATED)
    done(session, b"a AUTHENTICATE LOGIN\r\n")

    session.challenge(b"VXNlcm5hbWU6")
    assert session.busy
    assert session.bytes_to_send() == b"+ VXNlcm5hbWU6\r\n"
    assert told(session, b"Ym9i\r\n") == [AuthResponse(b"a", b"bob")]
    session.challenge(b"")
    assert told(session, b"*\r\n") == [Answered()]
    assert session.bytes_to_send() == b"+ \r\na BAD Cancelled\r\n"
    assert done(session, b"b NOOP\r\n").command.tag == b"b"


@pytest.mark.parametrize(
    ("line", "answer"), [(b"!!", b"The response isn't base64"), (b"x" * 13_000, b"The line is too long")]
)
def test_responses_that_are_none(line: bytes, answer: bytes) -> None:
    """The exchange is over, and commands are heard again."""
    session = a_session(State.NOT_AUTHENTICATED)
    done(session, b"a AUTHENTICATE LOGIN\r\n")
    session.challenge(b"")
    session.bytes_to_send()

    assert told(session, line + b"\r\n") == [Answered()]
    assert session.bytes_to_send() == b"a BAD " + answer + b"\r\n"
    assert done(session, b"b NOOP\r\n").command.tag == b"b"


def test_idle() -> None:
    """DONE ends it, in any case; it is no command (RFC 9051 section 6.3.13)."""
    session = a_session()
    done(session, b"a IDLE\r\n")

    session.begin_idle()
    assert session.idling
    assert not session.busy
    assert session.bytes_to_send() == b"+ idling\r\n"
    assert told(session, b"done\r\nb NOOP\r\n") == [IdleEnds(b"a")]
    session.complete(ok("IDLE completed"))
    assert not session.idling
    assert isinstance(session.next_event(), Do)


def test_idle_ended_by_something_else() -> None:
    """Whatever else the client says ends it, and is BAD."""
    session = a_session()
    done(session, b"a IDLE\r\n")
    session.begin_idle()
    session.bytes_to_send()

    assert told(session, b"b NOOP\r\n") == [Answered()]
    assert session.bytes_to_send() == b"a BAD Expected DONE\r\n"
    assert not session.idling


def test_append() -> None:
    """A message passes in blocks; what follows is the next command's."""
    session = a_session()

    (begins,) = told(session, b"a APPEND Sent (\\Seen) {5}\r\n")
    assert isinstance(begins, AppendBegins)
    assert (begins.mailbox, begins.message.size, begins.message.flags) == ("Sent", 5, ("\\Seen",))
    session.accept_message()
    assert session.bytes_to_send() == b"+ OK\r\n"
    assert told(session, b"abc") == [MessageOctets(b"abc")]
    assert session.busy
    assert told(session, b"de\r\nb NOOP\r\n") == [MessageOctets(b"de"), MessageEnds(), AppendEnds(b"a")]
    session.complete(ok("done"))
    assert session.bytes_to_send() == b"a OK done\r\n"
    assert isinstance(session.next_event(), Do)


def test_several_messages() -> None:
    """RFC 3502: one command, one answer."""
    session = a_session()

    session.receive_bytes(b"a APPEND Sent {1+}\r\nx (\\Flagged) {2+}\r\nyz\r\n")
    assert isinstance(session.next_event(), AppendBegins)
    session.accept_message()
    assert session.next_event() == MessageOctets(b"x")
    assert session.next_event() == MessageEnds()
    begins = session.next_event()
    assert isinstance(begins, MessageBegins)
    assert begins.message.flags == ("\\Flagged",)
    session.accept_message()
    assert session.next_event() == MessageOctets(b"yz")
    assert session.next_event() == MessageEnds()
    assert session.next_event() == AppendEnds(b"a")


def test_a_refused_message_leaves_the_stream_in_step() -> None:
    """It is dropped where the client sends it unasked, and never asked for where it waits (RFC 7888 section 4)."""
    session = a_session()

    told(session, b"a APPEND None {5+}\r\n")
    session.refuse_message(no("There is no such mailbox", b"TRYCREATE"))
    assert told(session, b"abcde\r\n") == [Answered()]
    told(session, b"b APPEND None {5}\r\n")
    session.refuse_message(no("There is no such mailbox", b"TRYCREATE"))
    assert session.next_event() == Answered()
    told(session, b"c NOOP\r\n")

    assert session.bytes_to_send() == (
        b"a NO [TRYCREATE] There is no such mailbox\r\nb NO [TRYCREATE] There is no such mailbox\r\n"
    )


def test_a_later_message_that_is_refused_ends_all() -> None:
    """All messages of a command or none (RFC 3502 section 6.3.11)."""
    session = a_session()
    told(session, b"a APPEND Sent {1+}\r\nx {2}\r\n")
    session.accept_message()
    events = [session.next_event() for _ in range(3)]
    assert isinstance(events[-1], MessageBegins)

    session.refuse_message(no("The message is too large", b"TOOBIG"))

    assert session.next_event() == AppendFails()
    assert session.bytes_to_send() == b"a NO [TOOBIG] The message is too large\r\n"
    assert not session.busy


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"a APPEND Sent (bad flag {3+}\r\nxyz\r\n", b"a BAD Expected a flag\r\n"),
        (b"a APPEND Sent nothing {3+}\r\nxyz\r\n", b"a BAD Unknown option of APPEND\r\n"),
    ],
)
def test_an_append_that_makes_no_sense(command: bytes, answer: bytes) -> None:
    """Its message is dropped."""
    session = a_session()

    assert set(told(session, command)) == {Answered()}
    assert session.bytes_to_send() == answer
    assert done(session, b"b NOOP\r\n")


def test_strangers_append_nothing() -> None:
    """Their message is dropped unread."""
    session = a_session(State.NOT_AUTHENTICATED)

    assert set(told(session, b"a APPEND Sent {3+}\r\nxyz\r\n")) == {Answered()}
    assert session.bytes_to_send() == b"a BAD Log in first\r\n"


def test_what_follows_the_last_message_is_read() -> None:
    """Something else than a message or the end is BAD, and nothing is kept."""
    session = a_session()
    told(session, b"a APPEND Sent {1+}\r\nx y\r\n")
    session.accept_message()

    assert told(session, b"") == [MessageOctets(b"x"), MessageEnds(), AppendFails()]
    assert session.bytes_to_send() == b"a BAD There is more than the command takes\r\n"


def test_what_came_before_tls_is_forgotten() -> None:
    """RFC 9051 section 6.2.1: also half a command."""
    session = a_session(State.NOT_AUTHENTICATED)
    done(session, b"a STARTTLS\r\nb LOGIN mallory {3}\r\n")
    session.complete(ok("Begin TLS now"))
    session.starttls_done()

    assert session.next_event() is None
    assert done(session, b"c NOOP\r\n").command.tag == b"c"


def test_a_closed_session_hears_nothing() -> None:
    """Not what came before the end, nor what comes after it."""
    session = a_session()
    done(session, b"a LOGOUT\r\nb NOOP\r\n")
    session.complete(ok("done"))
    session.close()
    session.receive_bytes(b"c NOOP\r\n")

    assert session.next_event() is None
    assert not session.has_input


def test_extensions() -> None:
    """QRESYNC brings CONDSTORE; IMAP4rev2 and UTF8=ACCEPT both mean names in UTF-8."""
    session = a_session()
    assert (session.utf8, session.rev2, session.condstore, session.qresync) == (False, False, False, False)

    session.enable(Extension.QRESYNC)
    assert session.condstore
    assert session.qresync
    session.enable(Extension.UTF8)
    assert session.utf8
    assert not session.rev2


def test_bad_answers_count_as_errors() -> None:
    """Whoever says BAD, the session or its driver."""
    session = a_session()
    done(session, b"a NOOP\r\n")
    session.complete(bad("no"))
    assert session.errors == 1


def test_answers_without_a_command() -> None:
    """The driver is wrong then."""
    with pytest.raises(RuntimeError):
        a_session().complete(ok("what?"))


def test_a_flood() -> None:
    """A client that sends on although it isn't read from is given up."""
    session = a_session()
    done(session, b"a NOOP\r\n")
    for _ in range(4):
        session.receive_bytes(b"b NOOP\r\n" * 5000)
    with pytest.raises(Overflow):
        session.receive_bytes(b"c")
