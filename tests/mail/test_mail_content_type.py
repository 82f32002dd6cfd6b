"""Content-Type and the fields like it, as they should be and as they are."""

from __future__ import annotations

import sys
from email.message import Message
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.content_type import (
    MAX_PARAMETERS,
    ContentType,
    content_type,
    disposition,
    languages,
    token,
    without_comments,
)


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        (b"text/plain", b"text/plain", ()),
        (b"TEXT/Html; Charset=UTF-8", b"TEXT/Html", ((b"Charset", b"UTF-8"),)),
        (b" text / plain ; a = b ; c = d", b"text/plain", ((b"a", b"b"), (b"c", b"d"))),
        (b'a/b; n="x; y=z"; m=1', b"a/b", ((b"n", b"x; y=z"), (b"m", b"1"))),
        (b'a/b; n="x\\"y\\\\"', b"a/b", ((b"n", b'x"y\\'),)),
        (b'a/b; n=""', b"a/b", ((b"n", b""),)),
        (b"a/b; n=", b"a/b", ((b"n", b""),)),
        (b"a/b; n=; m=1", b"a/b", ((b"n", b""), (b"m", b"1"))),
        (b"a/b; n; m=1", b"a/b", ((b"m", b"1"),)),
        (b"a/b;; n=1;;", b"a/b", ((b"n", b"1"),)),
        (b'a/b; n="x', b"a/b", ((b"n", b"x"),)),
        (b'a/b; n="x\\', b"a/b", ((b"n", b"x"),)),
        (b"a/b; n=x(1).pdf", b"a/b", ((b"n", b"x(1).pdf"),)),
        (b"a/b; n=x (1); m=2", b"a/b", ((b"n", b"x"), (b"m", b"2"))),
        (b'a/b; n="(x)" (y (z) \\) ); m=2', b"a/b", ((b"n", b"(x)"), (b"m", b"2"))),
        (b"(x) a (y) / (z) b", b"a/b", ()),
        (b"a/b (x; n=1", b"a/b", ()),
        (b"a/b n=1", b"a/b", ()),
        (b"text", b"text/plain", ()),
        (b"multipart; boundary=x", b"multipart/mixed", ()),
        (b"image/", b"image/x-unknown", ()),
        (b"", b"text/plain", ()),
        (b"/x", b"text/plain", ()),
        (b"; a=b", b"text/plain", ()),
        (b"a/b; n*0=x; n*1=y", b"a/b", ((b"n", b"xy"),)),
        (b"a/b; N*1=y; m=1; n*0=x", b"a/b", ((b"m", b"1"), (b"n", b"xy"))),
        (b"a/b; n*0*=utf-8'de'%C3; n*1*=%A4; n*2=\"a%\"", b"a/b", ((b"n*", b"utf-8'de'%C3%A4a%25"),)),
        (b'a/b; n*0="a b"; n*1*=%20', b"a/b", ((b"n*", b"''a%20b%20"),)),
        (b"a/b; n*=utf-8''x; n=y", b"a/b", ((b"n*", b"utf-8''x"), (b"n", b"y"))),
        (b"a/b; n*1=x; n*12345=y", b"a/b", ((b"n*1", b"x"), (b"n*12345", b"y"))),
        (b"a/b; n*0=x; n*0=z; n*1=y", b"a/b", ((b"n", b"xy"),)),
        (b"a/b; n=\xc3\xa9", b"a/b", ((b"n", b"\xc3\xa9"),)),
    ],
)
def test_content_type(value: bytes, kind: bytes, parameters: tuple[tuple[bytes, bytes], ...]) -> None:
    """As much is kept as can be understood."""
    found = content_type(value)

    assert (found.type + b"/" + found.subtype, found.parameters) == (kind, parameters)


def test_first_parameter_counts() -> None:
    """Of two parameters of one name the first counts, in any letters."""
    found = ContentType(b"a", b"b", ((b"X", b"0"), (b"Boundary", b"1"), (b"boundary", b"2")))

    assert found.parameter(b"boundary") == b"1"
    assert found.parameter(b"other") is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"attachment", (b"attachment", ())),
        (b"inline; filename=a", (b"inline", ((b"filename", b"a"),))),
        (b"(x) inline (y) ; filename=a", (b"inline", ((b"filename", b"a"),))),
        (b"; filename=a", (b"attachment", ((b"filename", b"a"),))),
        (b'"inline"', None),
        (b"", None),
    ],
)
def test_disposition(value: bytes, found: object) -> None:
    """Kind and parameters; a file name counts without a kind."""
    assert disposition(value) == found


@pytest.mark.parametrize(
    ("value", "word"),
    [(b"base64", b"base64"), (b" (x) base64 (y)", b"base64"), (b"base64; x", b"base64"), (b"", None), (b'"x"', None)],
)
def test_token(value: bytes, word: bytes | None) -> None:
    """The first word counts."""
    assert token(value) == word


@pytest.mark.parametrize(
    ("value", "tags"),
    [(b"en", [b"en"]), (b"en, de (x),", [b"en", b"de"]), (b"", []), (b",,i-x", [b"i-x"])],
)
def test_languages(value: bytes, tags: list[bytes]) -> None:
    """Empty tags don't count."""
    assert languages(value) == tags


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.text("abcXYZ 0189;=\"\\()/äß%'*", max_size=40), st.integers(0, 3))
def test_values_survive(value: str, form: int) -> None:
    """A value is read back from each form in which it can be written, as the standard library writes it too."""
    octets = value.encode()
    quoted = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    encoded = b"".join(b"%%%02X" % octet for octet in octets)
    written, name, read = [
        (b'n="' + quoted + b'"', b"n", octets),
        (b"n*=utf-8''" + encoded, b"n*", b"utf-8''" + encoded),
        (b"n*0*=utf-8''" + encoded[:30] + b"; n*1*=" + encoded[30:], b"n*", b"utf-8''" + encoded),
        (b'n*1="x\\"y"; n*0*=utf-8\'\'' + encoded, b"n*", b"utf-8''" + encoded + b"x%22y"),
    ][form]

    found = content_type(b"a/b; " + written + b"; last=1").parameters

    assert set(found) == {(name, read), (b"last", b"1")}
    assert len(found) == 2
    if name == b"n*":
        assert unquote_to_bytes(read.partition(b"''")[2]).startswith(octets)


def test_standard_library_writes() -> None:
    """What the standard library writes is read."""
    message = Message()
    message.add_header("Content-Disposition", "attachment", filename=("utf-8", "", "ä b.pdf"), size="5")

    assert disposition(message["Content-Disposition"].encode()) == (
        b"attachment",
        ((b"filename*", b"utf-8''%C3%A4%20b.pdf"), (b"size", b"5")),
    )


def test_many_parameters() -> None:
    """Parameters over the limit are left out."""
    assert len(content_type(b"a/b" + b"; n=1" * 1000).parameters) == MAX_PARAMETERS


HOSTILE = [
    b'"',
    b"(",
    b")",
    b"()",
    b'""',
    b'"\\',
    b"\\",
    b";",
    b";=",
    b';a="',
    b";a=",
    b"; a*0=",
    b"a",
    b" ",
    b"/",
    b",",
    b"\xff",
]


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from([*HOSTILE, b"a/b", b"=", b"b", b"*1", b"*", b"'"]), max_size=20).map(b"".join))
def test_anything(value: bytes) -> None:
    """Nothing raises; every reader gives words."""
    found = content_type(value)
    assert found.type
    assert found.subtype
    assert all(name for name, _ in found.parameters)
    assert disposition(value) is None or disposition(value)[0]
    assert all(languages(value))
    assert token(value) is None or token(value)


@pytest.mark.parametrize("unit", HOSTILE)
def test_work_is_bounded(unit: bytes) -> None:
    """However long a value is, no more is done than a few calls for each of the limits."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        for value in (unit * 30_000, b"a/b;" + unit * 30_000, b"a/b; n=" + unit * 30_000):
            content_type(value)
            disposition(value)
            languages(value)
    finally:
        sys.setprofile(None)

    assert calls < 15_000


def test_comments_of_strings() -> None:
    """A parenthesis in a string or a word begins no comment."""
    assert without_comments(b'a(b "(c)" (d) "e') == b'a(b "(c)"   "e'
