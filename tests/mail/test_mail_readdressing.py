"""Other addresses in fields: just these change, whatever stands around them, and readers find what was meant."""

from __future__ import annotations

from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.addresses import addresses
from twistedmail_mta.mail.readdressing import MAX_ADDRESSES, MAX_VALUE, readdressed
from twistedmail_mta.model import Address


def away(address: Address) -> Address | None:
    """What is at in.test is at out.test; ann is the office besides."""
    if address.domain != "in.test":
        return None
    return Address("office" if address.local == "ann" else address.local, "out.test")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"bob@in.test", b"bob@out.test"),
        (b"<ann@IN.test>", b"<office@out.test>"),
        (b"Bob B. <bob@in.test> (at bob@in.test)", b"Bob B. <bob@out.test> (at bob@in.test)"),
        (b'"bob@in.test" <bob@in.test>', b'"bob@in.test" <bob@out.test>'),
        (b"bob@in.test <bob@in.test>", b"bob@in.test <bob@out.test>"),
        (b"J\xf6rg <bob@in.test>", b"J\xf6rg <bob@out.test>"),
        (b"=?utf-8?q?J=C3=B6rg?=\r\n\t<bob@in.test>", b"=?utf-8?q?J=C3=B6rg?=\r\n\t<bob@out.test>"),
        (b",bob@in.test,,\r\n ann@else.test ,", b",bob@out.test,,\r\n ann@else.test ,"),
        (b"us: bob@in.test, E <eve@else.test>;, ann@in.test", b"us: bob@out.test, E <eve@else.test>;, office@out.test"),
        (b"<@relay.test,@in.test:bob@in.test>", b"<@relay.test,@in.test:bob@out.test>"),
        (b'"bob"@in.test', b'"bob"@out.test'),
        (b'"a \\" b"@in.test', b'"a \\" b"@out.test'),
        (b"bob (x) @ (y) in.test (z)", b"bob (x) @ (y) out.test (z)"),
        (b"bob@in . (dot) test", b"bob@out.test(dot)"),
        (b"<bob@in\r\n .test>", b"<bob@out.test>"),
        ("\u00e4@in.test".encode(), "\u00e4@out.test".encode()),
    ],
)  # fmt: skip
def test_just_the_address(value: bytes, expected: bytes) -> None:
    """Names, comments, groups, routes, folding and other octets stay."""
    assert readdressed(value, away) == expected


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"undisclosed recipients:;",
        b"eve@else.test",
        b"bob@in.test eve@else.test",
        b"bob@in.test, <eve@else.test",
        b"bob@in.test, nobody",
        b"bob@in.test\x00",
        b"\xff@else.test, bob@in.test",
        b"bob@in.test (",
        b"bob@in.test," + b" " * MAX_VALUE,
        b"bob@in.test," * (MAX_ADDRESSES + 1),
    ],
)
def test_what_stays(value: bytes) -> None:
    """Where nothing is meant, and where it isn't clear what stands there."""
    assert readdressed(value, away) is None


def test_quotes_where_they_are_needed() -> None:
    """What it becomes is written as the grammar wants it."""
    assert readdressed(b"bob@in.test", lambda _: Address('b "o" b.', "in.test")) == b'"b \\"o\\" b."@in.test'


def test_lines_stay_short() -> None:
    """None gets too long for SMTP (RFC 5321 section 4.5.3.1.6); one that was too long may be."""
    long = ("n" * 940 + " <a@in.test>").encode()
    new = Address("a" * 20, "in.test")

    assert readdressed(long, lambda _: new) is None
    assert readdressed(b"n" * 30 + long, lambda _: new) == b"n" * 30 + long.replace(b"<a@", b"<%b@" % (b"a" * 20))
    assert readdressed(long.replace(b" ", b"\r\n "), lambda _: new) is not None


WORD = st.text("abXY019-_", min_size=1, max_size=6)
LOCAL = st.one_of(st.builds(".".join, st.lists(WORD, min_size=1, max_size=3)), st.builds('"{} {}"'.format, WORD, WORD))
ADDR = st.builds("{}@{}".format, LOCAL, st.sampled_from(["in.test", "IN.TEST", "else.test", "sub.in.test"]))
NAME = st.one_of(
    st.builds('"{}, {} <x@in.test>"'.format, WORD, WORD), WORD, st.just("=?utf-8?q?=2C=40?="), st.just("J\u00f6rg")
)
BLANK = st.sampled_from([" ", "  ", "\t", "\r\n ", " \r\n\t"])
MAILBOX = st.one_of(ADDR, st.builds("<{}>".format, ADDR), st.builds("{}{}<{}>".format, NAME, BLANK, ADDR))
LIST = st.lists(st.tuples(MAILBOX, st.sampled_from(["", " ", "\r\n "])), min_size=1, max_size=6)


@settings(max_examples=300)
@given(LIST)
def test_what_readers_find(boxes: list[tuple[str, str]]) -> None:
    """Python's own reader finds the same names, and the other addresses; so do we."""
    text = ",".join(blank + box for box, blank in boxes).lstrip()
    before = getaddresses([text])

    value = readdressed(text.encode(), away)

    after = getaddresses([text if value is None else value.decode()])
    assert [name for name, _ in after] == [name for name, _ in before]
    assert [spec for _, spec in after] == [_away(spec) for _, spec in before]
    found = addresses(text.encode()) or ()
    assert addresses(value or text.encode()) == tuple(away(each) or each for each in found)


def _away(spec: str) -> str:
    local, _, domain = spec.rpartition("@")
    return f"{local}@out.test" if domain.lower() == "in.test" else spec


PIECES = [
    "a@in.test",
    "<",
    ">",
    ",",
    ";",
    ":",
    "(",
    ")",
    '"',
    "\\",
    "@",
    ".",
    " ",
    "\r\n ",
    "x",
    "[1]",
    "b@else.test",
    "\udcff",
]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_anything_else(pieces: list[str]) -> None:
    """Whatever stands there: what is taken out are addresses, what is put in are the others, and nothing else."""
    text = "".join(pieces)
    octets = text.encode("utf-8", "surrogateescape")

    value = readdressed(octets, lambda each: Address("NEW", "new.test") if each == Address("a", "in.test") else None)

    if value is not None:
        rest = octets.replace(b"\r\n ", b"").replace(b" ", b"")
        new = value.replace(b"\r\n ", b"").replace(b" ", b"").replace(b"NEW@new.test", b"a@in.test")
        plain = new.replace(b"NEW", b"a").replace(b"new.test", b"in.test")
        assert sorted(plain) == sorted(rest)
        assert addresses(value) is not None
