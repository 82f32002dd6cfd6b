"""Commands out of octets, literals and messages, cut anywhere."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.imap.reader import (
    NO_TAG,
    TOO_LONG,
    Announced,
    CommandReader,
    Complete,
    Continue,
    Event,
    Literal,
    MessageEnds,
    Octets,
    Refused,
)

LARGEST_MESSAGE = 1000


def joined(events: Iterable[Event]) -> list[Event]:
    """Return the events with the octets of a message in one, however they came."""
    found: list[Event] = []
    for event in events:
        if isinstance(event, Octets) and found and isinstance(found[-1], Octets):
            found[-1] = Octets(found[-1].octets + event.octets)
        else:
            found.append(event)
    return found


def read(reader: CommandReader, *pieces: bytes) -> list[Event]:
    """Return what the pieces come to; a message over the limit is refused."""
    found = []
    for piece in pieces:
        reader.receive(piece)
        while (event := reader.next_event()) is not None:
            found.append(event)
            if isinstance(event, Announced):
                if event.size <= LARGEST_MESSAGE:
                    reader.accept()
                else:
                    reader.refuse()
    return joined(found)


def test_lines_and_literals() -> None:
    """Text and literals by turns; a client that waits for a continuation gets one."""
    found = read(CommandReader(), b"a NOOP\r\nb LOGIN {3}\r\nann ~{4+}\r\n\0{1}\r\nc IDLE\r\n")

    assert found == [
        Complete((b"a NOOP",)),
        Continue(),
        Complete((b"b LOGIN ", Literal(b"ann"), b" ", Literal(b"\0{1}", binary=True), b"")),
        Complete((b"c IDLE",)),
    ]


def test_messages_are_announced() -> None:
    """All literals of APPEND but the name of the mailbox, and each is told apart (RFC 3502 section 6.3.11)."""
    found = read(CommandReader(), b"a append {5+}\r\nINBOX (\\Seen) {2}\r\nhi UTF8 (~{0+}\r\n)\r\nb NOOP\r\n")

    assert found == [
        Announced((b"a append ", Literal(b"INBOX"), b" (\\Seen) "), 2, waits=True, binary=False),
        Octets(b"hi"),
        MessageEnds(),
        Announced((b" UTF8 (",), 0, waits=False, binary=True),
        MessageEnds(),
        Complete((b")",)),
        Complete((b"b NOOP",)),
    ]


def test_messages_are_refused_before_they_come() -> None:
    """A client that waits never sends it: what follows is a command (RFC 9051 section 4.3)."""
    found = read(CommandReader(), b"a APPEND x {1001}\r\nb NOOP\r\n")

    assert found == [
        Announced((b"a APPEND x ",), 1001, waits=True, binary=False),
        Refused(b"a", ""),
        Complete((b"b NOOP",)),
    ]


def test_messages_are_refused_as_they_come() -> None:
    """One that comes anyhow is dropped with all behind it, and the stream stays in step (RFC 7888 section 4)."""
    message = b"x LOGOUT\r\n" * 101
    found = read(CommandReader(), b"a APPEND x {1010+}\r\n" + message + b" {4+}\r\nb X\n {5}\r\nc NOOP\r\n")

    assert found[1:] == [Refused(b"a", ""), Complete((b"c NOOP",))]


@pytest.mark.parametrize(
    ("octets", "refused"),
    [
        (b"a LOGIN {101}\r\n", Refused(b"a", TOO_LONG)),
        (b"a LOGIN {101+}\r\n" + b"x" * 101 + b" y\r\n", Refused(b"a", TOO_LONG)),
        (b"a LOGIN {60+}\r\n" + b"x" * 60 + b" {60}\r\n", Refused(b"a", TOO_LONG)),
        (b"a LOGIN " + b"x" * 100 + b"\r\n", Refused(b"a", TOO_LONG)),
        (b"a LOGIN " + b"x" * 1000 + b" {10+}\r\nx LOGOUT\r\n\r\n", Refused(b"a", TOO_LONG)),
        (b"a LOGIN " + b"x" * 1000 + b" {10}\r\n", Refused(b"a", TOO_LONG)),
        (b"a LOGIN {9999999999999999999}\r\n", Refused(b"a", TOO_LONG)),
        (b"a" * 1000 + b" b\r\n", Refused(b"", TOO_LONG)),
        (b"* {3}\r\n", Refused(b"", NO_TAG)),
        (b"+ {3+}\r\nabc\r\n", Refused(b"", NO_TAG)),
    ],
)
def test_what_is_too_large(octets: bytes, refused: Refused) -> None:
    """It is refused once, and what follows is read as it should, wherever TCP cuts."""
    whole = octets + b"b NOOP\r\n"
    wanted = [refused, Complete((b"b NOOP",))]

    assert read(CommandReader(100), whole) == wanted
    assert read(CommandReader(100), *(whole[at : at + 1] for at in range(len(whole)))) == wanted


@pytest.mark.parametrize(
    "text", [b"a LOGIN {-1}", b"a LOGIN {}", b"a LOGIN {+}", b"a LOGIN {1-}", b"a LOGIN {1} ", b""]
)
def test_what_is_no_literal(text: bytes) -> None:
    """Such text is given as it stands, and nobody waits."""
    assert read(CommandReader(), text + b"\r\nb NOOP\r\n") == [Complete((text,)), Complete((b"b NOOP",))]


def test_limits_hold_to_the_octet() -> None:
    """A command of just as many octets as are allowed."""
    line = b"a " + b"x" * 98

    assert read(CommandReader(100), line + b"\r\n") == [Complete((line,))]
    assert read(CommandReader(100), line, b"\r", b"\n") == [Complete((line,))]
    assert read(CommandReader(100), line + b"x", b"\r", b"\n") == [Refused(b"a", TOO_LONG)]


SCRIPT = (
    b"a NOOP\r\nb LOGIN {3+}\r\nann {2}\r\nxy\nc APPEND {1+}\r\nx {7+}\r\n{9+}\r\n! (\\Seen) {1001+}\r\n"
    + b"z\n" * 500
    + b"q {3+}\r\nabc\r\n\r\nd APPEND x {1001}\r\ne "
    + b"{9+}" * 60
    + b"\r\n\r\nf BAD\r\nz\r\n"
)


def test_every_cut() -> None:
    """However TCP cuts a session, it comes to the same."""
    whole = read(CommandReader(200), SCRIPT)

    assert len(whole) > 10
    for cut in range(1, len(SCRIPT)):
        assert read(CommandReader(200), SCRIPT[:cut], SCRIPT[cut:]) == whole
    assert read(CommandReader(200), *(SCRIPT[at : at + 1] for at in range(len(SCRIPT)))) == whole


TEXTS = st.text('ab \\"()*', max_size=8).map(str.encode)
LITERALS = st.builds(Literal, st.binary(max_size=20), st.booleans())


@settings(max_examples=120, derandomize=True, deadline=None)
@given(TEXTS, st.lists(st.tuples(LITERALS, st.booleans(), TEXTS), max_size=4))
def test_commands_come_back(first: bytes, more: list[tuple[Literal, bool, bytes]]) -> None:
    """Whatever literals hold, they are what was sent."""
    octets, parts, waits = b"t " + first, [b"t " + first], 0
    for literal, plus, text in more:
        announced = b"%b{%d%b}\r\n" % (b"~" * literal.binary, len(literal.octets), b"+" * plus)
        octets += announced + literal.octets + text
        parts += [literal, text]
        waits += not plus

    found = read(CommandReader(), octets + b"\r\n")

    assert found == [Continue()] * waits + [Complete(tuple(parts))]


HOSTILE = st.lists(
    st.sampled_from(
        [b"a ", b"APPEND ", b"x ", b"{3}", b"{3+}", b"~{9+}", b"{2000+}", b"\r\n", b"\n", b"\r", b"}", b"\0", b"y" * 80]
    ),
    max_size=30,
).map(b"".join)


@settings(max_examples=250, derandomize=True, deadline=None)
@given(HOSTILE, st.integers(1, 9))
def test_any_octets(octets: bytes, step: int) -> None:
    """Nothing breaks, and no cut changes what they come to."""
    pieces = [octets[at : at + step] for at in range(0, len(octets), step)]

    assert read(CommandReader(70), *pieces) == read(CommandReader(70), octets)


def test_nothing_is_held_of_messages() -> None:
    """Each delivery is handed on at once."""
    reader = CommandReader()
    read(reader, b"a APPEND x {1000+}\r\n")

    for _ in range(10):
        assert read(reader, b"m" * 100)[0] == Octets(b"m" * 100)
        assert len(reader) == 0


def test_lines_between_commands_and_a_new_begin() -> None:
    """DONE is no command; what came before TLS is forgotten."""
    reader = CommandReader()
    assert read(reader, b"a IDLE\r\n") == [Complete((b"a IDLE",))]
    reader.receive(b"DONE\r\nb LOGIN {9+}\r\n123")
    assert reader.take_line(100) == b"DONE"
    assert reader.next_event() is None

    reader.clear()

    assert read(reader, b"c NOOP\r\n") == [Complete((b"c NOOP",))]


def test_answers_need_questions() -> None:
    """A caller that accepts what wasn't announced is wrong."""
    with pytest.raises(RuntimeError):
        CommandReader().accept()
