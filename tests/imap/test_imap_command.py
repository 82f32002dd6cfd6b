"""Commands as such, those without arguments, and any octets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_commands import action, given_as, wrong

from twistedmail_mta.imap.bare import Bare
from twistedmail_mta.imap.command import Command, Wrong, read_command
from twistedmail_mta.imap.reader import Literal


@pytest.mark.parametrize("bare", list(Bare))
def test_commands_that_take_nothing(bare: Bare) -> None:
    """In any case, and with nothing behind."""
    assert action(bare.value.encode()) is bare
    assert action(bare.value.lower().encode()) is bare
    assert "more" in wrong(bare.value.encode() + b" x")
    assert "more" in wrong(bare.value.encode() + b" ")


@pytest.mark.parametrize(
    "line", [b"", b" NOOP", b"+ NOOP", b"* NOOP", b"(a NOOP", b'"a" NOOP', b"\xff NOOP", b"a" * 65 + b" NOOP"]
)
def test_commands_without_a_tag(line: bytes) -> None:
    """They can be answered without one only."""
    found = given_as(line)

    assert isinstance(found, Wrong)
    assert found.tag == b""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"noop", "follows its tag"),
        (b"select inbox", "follows its tag"),
        (b"a inbox", "Unknown"),
        (b"a SELECT", "less than the command takes"),
        (b"a FETCH 1", "less than the command takes"),
        (b"a SELECT(", "A space is missing"),
    ],
)
def test_people_are_told_what_they_forgot(line: bytes, words: str) -> None:
    found = given_as(line)

    assert isinstance(found, Wrong)
    assert words in found.text


@pytest.mark.parametrize("line", [b"a", b"a ", b"a  NOOP", b"a FOO", b"a NOOP\0", b'a "NOOP"', b"a\tNOOP"])
def test_what_is_no_command(line: bytes) -> None:
    """Its tag is told where there is one."""
    found = given_as(line)

    assert isinstance(found, Wrong)
    assert found.tag == (b"" if b"\t" in line else b"a")


VOCABULARY = """
LOGIN AUTHENTICATE PLAIN ENABLE ID SELECT EXAMINE CREATE STATUS RENAME SETQUOTA APPEND UID LIST LSUB RETURN FETCH STORE
COPY MOVE EXPUNGE SEARCH SORT THREAD FLAGS BODY[ ] HEADER.FIELDS <0.1> 1:* $ OR NOT CHARSET UTF-8 CONDSTORE QRESYNC USE
( ) " \\ \\Seen NIL INBOX x 7 1-Feb-1994 = * % SUBSCRIBED SAVE MODSEQ CHANGEDSINCE REFERENCES REVERSE DATE SUBJECT
"""
WORDS = st.sampled_from(VOCABULARY.split())


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(st.one_of(WORDS.map(str.encode), st.binary(max_size=3)), max_size=12), st.binary(max_size=9), st.booleans()
)
def test_any_words(words: list[bytes], literal: bytes, utf8: bool) -> None:
    """Never anything but a command or what is wrong with it, whatever is in a literal."""
    text = b"t " + b" ".join(words)
    for parts in ((text,), (text, Literal(literal), b""), (text + b" ", Literal(literal), b" x")):
        found = read_command(parts, utf8=utf8)
        assert isinstance(found, (Command, Wrong))
        assert found.tag == b"t"


def test_passwords_are_not_shown() -> None:
    """Neither in a log nor in a traceback."""
    assert "secret" not in repr(given_as(b"a LOGIN ann secret"))
    assert "secret" not in repr(given_as(b"a AUTHENTICATE PLAIN c2VjcmV0"))
