"""The words of commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.imap.reader import Literal, Part
from twistedmail_mta.imap.tokens import LARGEST_64, MAX_DEPTH, MAX_ITEMS, BadSyntax, Tokens

READERS: list[Callable[[Tokens], object]] = [
    Tokens.atom,
    Tokens.keyword,
    Tokens.astring,
    Tokens.string,
    Tokens.nstring,
    Tokens.mailbox,
    Tokens.pattern,
    Tokens.number,
    Tokens.number64,
    Tokens.sequence_set,
    Tokens.flag,
    Tokens.date,
    Tokens.date_time,
    lambda tokens: tokens.items(tokens.astring, least=0),
]


def read(reader: Callable[[Tokens], object], *parts: Part) -> object:
    """Return what the reader makes of all the parts."""
    tokens = Tokens(parts)
    found = reader(tokens)
    tokens.end()
    return found


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (Tokens.atom, b"a-[b.c", b"a-[b.c"),
        (Tokens.keyword, b"body.peek", "BODY.PEEK"),
        (Tokens.astring, b"a[b]", b"a[b]"),
        (Tokens.astring, b'""', b""),
        (Tokens.string, b'"a \\"b\\\\ {3}"', b'a "b\\ {3}'),
        (Tokens.string, '"ü"'.encode(), "ü".encode()),
        (Tokens.nstring, b"nil", None),
        (Tokens.nstring, b'"NIL"', b"NIL"),
        (Tokens.mailbox, b"Entw&APw-rfe", "Entwürfe"),
        (Tokens.mailbox, b"inBox", "INBOX"),
        (Tokens.pattern, b"a%/*", "a%/*"),
        (Tokens.pattern, b'"%"', "%"),
        (Tokens.number, b"4294967295", 4294967295),
        (Tokens.number64, b"9223372036854775807", LARGEST_64),
        (Tokens.flag, b"\\Seen", "\\Seen"),
        (Tokens.flag, b"$Junk", "$Junk"),
        (Tokens.date, b"1-Feb-1994", date(1994, 2, 1)),
        (Tokens.date, b'"01-FEB-1994"', date(1994, 2, 1)),
        (Tokens.date_time, b'" 1-Jan-1970 01:00:01 +0100"', 1),
        (Tokens.date_time, b'"31-Dec-1969 23:59:60 +0000"', -1),
        (lambda tokens: tokens.items(tokens.atom), b"(a b)", [b"a", b"b"]),
        (lambda tokens: tokens.items(tokens.atom, least=0), b"()", []),
    ],
)
def test_words(reader: Callable[[Tokens], object], text: bytes, value: object) -> None:
    """As RFC 9051 section 9 has them."""
    assert read(reader, text) == value


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (Tokens.atom, b""),
        (Tokens.atom, b"a]"),
        (Tokens.atom, "ü".encode()),
        (Tokens.astring, b"a*"),
        (Tokens.astring, b'"a'),
        (Tokens.string, b"a"),
        (Tokens.string, b'"\\a"'),
        (Tokens.string, b'"a\rb"'),
        (Tokens.string, b'"a\0b"'),
        (Tokens.mailbox, b"a&b"),
        (Tokens.mailbox, '"ü"'.encode()),
        (Tokens.number, b"4294967296"),
        (Tokens.number, b"-1"),
        (Tokens.number, b"1" * 21),
        (Tokens.number64, b"9223372036854775808"),
        (Tokens.sequence_set, b"1:"),
        (Tokens.sequence_set, b"0"),
        (Tokens.flag, b"\\"),
        (Tokens.flag, b"\\*"),
        (Tokens.date, b"30-Feb-1994"),
        (Tokens.date, b"1-Foo-1994"),
        (Tokens.date, b'"1-Feb-1994'),
        (Tokens.date, b"1-Feb-0000"),
        (Tokens.date_time, b'" 1-Jan-1970 24:00:00 +0000"'),
        (Tokens.date_time, b'" 1-Jan-1970 00:00:61 +0000"'),
        (Tokens.date_time, b'" 1-Jan-1970 00:00:00 +2400"'),
        (lambda tokens: tokens.items(tokens.atom), b"()"),
        (lambda tokens: tokens.items(tokens.atom), b"(a  b)"),
        (lambda tokens: tokens.items(tokens.atom), b"(a b"),
        (lambda tokens: tokens.items(tokens.atom), b"(a )"),
    ],
)
def test_what_is_wrong(reader: Callable[[Tokens], object], text: bytes) -> None:
    """It is said in a text that can be sent."""
    with pytest.raises(BadSyntax) as caught:
        read(reader, text)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def test_literals_are_strings() -> None:
    """Wherever a string may stand, and nothing else."""
    assert read(Tokens.astring, b"", Literal(b"a\r\n"), b"") == b"a\r\n"
    assert read(Tokens.string, b"", Literal(b"\0", binary=True), b"") == b"\0"
    assert read(lambda t: t.items(t.astring), b"(", Literal(b"a"), b" ", Literal(b"b"), b")") == [b"a", b"b"]
    for wrong in (Tokens.atom, Tokens.number, Tokens.date):
        with pytest.raises(BadSyntax):
            read(wrong, b"", Literal(b"1"), b"")
    with pytest.raises(BadSyntax, match="NUL"):
        read(Tokens.string, b"", Literal(b"\0"), b"")
    with pytest.raises(BadSyntax, match="more"):
        read(Tokens.atom, b"a", Literal(b"b"), b"")


def test_names_in_utf8() -> None:
    """Once it was enabled (RFC 6855 section 3)."""
    assert Tokens(['"ü&-"'.encode()], utf8=True).mailbox() == "ü&-"


def test_nesting_is_bounded() -> None:
    """As many levels as are allowed, and one more."""

    def nested(tokens: Tokens) -> object:
        return tokens.items(lambda: nested(tokens), least=0)

    read(nested, b"(" * (MAX_DEPTH + 1) + b")" * (MAX_DEPTH + 1))
    with pytest.raises(BadSyntax, match="nested"):
        read(nested, b"(" * 10_000)


def test_lists_are_bounded() -> None:
    """As many items as are allowed, and one more."""
    most = b" ".join([b"a"] * MAX_ITEMS)

    assert read(lambda tokens: tokens.items(tokens.atom), b"(" + most + b")") == [b"a"] * MAX_ITEMS
    with pytest.raises(BadSyntax, match="too long"):
        read(lambda tokens: tokens.items(tokens.atom), b"(" + most + b" a)")


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.binary(max_size=40))
def test_strings_come_back(octets: bytes) -> None:
    """Quoted where they can be, else as literals."""
    if not set(octets) & set(b"\0\r\n"):
        quoted = b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        assert read(Tokens.astring, quoted) == octets
    assert read(Tokens.astring, b"", Literal(octets, binary=True), b"") == octets


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    st.datetimes(datetime(1902, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001 - a zone is added
    st.integers(-1439, 1439),
)
def test_times_come_back(moment: datetime, zone: int) -> None:
    """In any zone."""
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=zone)))

    text = moment.strftime('"%d-%b-%Y %H:%M:%S %z"').encode()

    assert read(Tokens.date_time, text) == round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.sampled_from(READERS),
    st.binary(max_size=20) | st.text('aN"\\(){}1:*$,- %&]\r\0ü', max_size=20).map(str.encode),
    st.binary(max_size=5),
)
def test_any_octets(reader: Callable[[Tokens], object], text: bytes, literal: bytes) -> None:
    """Never anything but a value or `BadSyntax`, and nothing is read twice."""
    tokens = Tokens([text, Literal(literal), b""])
    try:
        reader(tokens)
    except BadSyntax:
        return
    assert text.endswith(tokens.rest)


def test_hostile_words_cost_little() -> None:
    """A string or list that never ends is read once."""
    for text in (b'"' + b"a\\\\" * 500_000, b"(" + b"a " * 300_000, b"1:" * 500_000, b"a" * 1_000_000 + b"*"):
        for reader in READERS:
            with pytest.raises(BadSyntax):
                read(reader, text + b"\0")
