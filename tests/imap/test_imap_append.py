"""APPEND."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_commands import NAMES, mailbox, wrong

from twistedmail_mta.imap.append import Append, Message, read_append, read_end, read_next
from twistedmail_mta.imap.reader import Announced, CommandReader, Continue
from twistedmail_mta.imap.tokens import BadSyntax


def announced(octets: bytes) -> Announced:
    """Return what a line that ends with the literal of a message comes to."""
    reader = CommandReader()
    reader.receive(octets + b"\r\n")
    event = reader.next_event()
    while isinstance(event, Continue):
        event = reader.next_event()
    assert isinstance(event, Announced)
    return event


@pytest.mark.parametrize(
    ("octets", "mailbox", "message"),
    [
        (b"{310}", "x", Message((), None, utf8=False, size=310, binary=False)),
        (b"(\\Seen \\Seen $Junk) {1+}", "x", Message(("\\Seen", "$Junk"), None, utf8=False, size=1, binary=False)),
        (b"() {1}", "x", Message((), None, utf8=False, size=1, binary=False)),
        (b'" 1-Jan-1970 00:00:07 +0000" ~{1}', "x", Message((), 7, utf8=False, size=1, binary=True)),
        (b'(a) "01-Jan-1970 00:00:07 +0000" UTF8 (~{9+}', "x", Message(("a",), 7, utf8=True, size=9, binary=True)),
    ],
)
def test_messages(octets: bytes, mailbox: str, message: Message) -> None:
    """The first, and the same as a further one."""
    assert read_append(announced(b"t APPEND x " + octets)) == Append(b"t", mailbox, message)
    parts = announced(b"t APPEND x " + octets)
    following = (b" " + octets[: octets.rindex(b"{")].removesuffix(b"~"),)
    assert read_next(Announced(following, message.size, parts.waits, parts.binary), PLAIN) == message


PLAIN = Message((), None, utf8=False, size=1, binary=False)
UTF8 = Message((), None, utf8=True, size=1, binary=True)


@pytest.mark.parametrize(
    "octets",
    [
        b"a&b {1}",
        b"x(a) {1}",
        b"x{1}",
        b"x  {1}",
        b"x FOO {1}",
        b"x (\\*) {1}",
        b"x (a){1}",
        b'x "32-Jan-1970 00:00:07 +0000" {1}',
        b'x "01-Jan-1970 00:00:07 +0000" (a) {1}',
        b"x UTF8 (a {1}",
        b"x UTF8 {1}",
        b"x UTF8 ({1}",
    ],
)
def test_what_is_wrong(octets: bytes) -> None:
    """It is said before the message comes, so that it can be refused."""
    assert isinstance(read_append(announced(b"t APPEND " + octets)), BadSyntax)


def test_what_follows_messages() -> None:
    """Nothing, or the parenthesis that UTF8 opened."""
    assert read_end((b"",), PLAIN) is None
    assert read_end((b")",), UTF8) is None
    assert read_next(Announced((b") ",), 1, waits=True, binary=False), UTF8) == PLAIN
    for parts, before in (((b" ",), PLAIN), ((b")",), PLAIN), ((b"",), UTF8), ((b") x",), UTF8)):
        assert isinstance(read_end(parts, before), BadSyntax)
    assert read_next(Announced((b"  ",), 1, waits=True, binary=False), PLAIN) == PLAIN
    assert isinstance(read_next(Announced((b"   ",), 1, waits=True, binary=False), PLAIN), BadSyntax)
    assert isinstance(read_next(Announced((b"",), 1, waits=True, binary=False), PLAIN), BadSyntax)
    assert isinstance(read_next(Announced((b" ",), 1, waits=True, binary=False), UTF8), BadSyntax)


@pytest.mark.parametrize("octets", [b"APPEND", b"APPEND ", b"APPEND x", b'APPEND x "message"', b"APPEND {1}\r\nx"])
def test_commands_without_a_message(octets: bytes) -> None:
    """They come as whole commands."""
    assert "literal" in wrong(octets)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(NAMES, st.lists(st.from_regex(r"\A\\?[a-z]{1,5}\Z"), unique=True, max_size=3).map(tuple), st.data())
def test_they_come_back(name: str, flags: tuple[str, ...], data: st.DataObject) -> None:
    """Into any mailbox, with any flags."""
    octets = b"t append " + data.draw(mailbox(name)) + b" (" + " ".join(flags).encode() + b") {5}"

    assert read_append(announced(octets)) == Append(b"t", name, Message(flags, None, utf8=False, size=5, binary=False))


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text('aUTF8 ()\\"&-1:+{}', max_size=20).map(str.encode), st.booleans())
def test_any_octets(text: bytes, utf8: bool) -> None:
    """Never anything but what was read, or what is wrong."""
    event = Announced((b"t APPEND " + text,), 1, waits=True, binary=True)
    assert isinstance(read_append(event, utf8=utf8), (Append, BadSyntax))
    following = Announced((text,), 1, waits=True, binary=True)
    assert isinstance(read_next(following, UTF8), (Message, BadSyntax))
    assert isinstance(read_end((text,), UTF8), (BadSyntax, type(None)))
