"""ENVELOPE says who wrote what to whom, whatever the header looks like."""

from __future__ import annotations

import sys
from email.utils import formataddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_answer import parse, read_envelope

from twistedmail_mta.mail.address_list import GROUP_END, Mailbox, address_list
from twistedmail_mta.mail.addresses import addresses
from twistedmail_mta.mail.envelope import MAX_MAILBOXES, NO_ENVELOPE, envelope
from twistedmail_mta.mail.field_value import unfolded, unquoted
from twistedmail_mta.mail.imap_string import nstring, string

A = [b"A", None, b"a", b"x.org"]
B = [None, None, b"b", b"y.org"]


def test_every_field() -> None:
    """All ten fields, in their order (RFC 9051 section 7.5.2)."""
    header = (
        b"Received: x\r\nMessage-ID: <1@x.org>\r\nIn-Reply-To: <0@x.org>\r\nBcc: bcc@x.org\r\nCC: cc@x.org\r\n"
        b"TO: to@x.org\r\nReply-To: r@x.org\r\nSender: s@x.org\r\nfrom: A <a@x.org>, b@y.org\r\n"
        b"Subject: Hello\r\n there\r\nDate: now\r\n\r\n"
    )

    assert envelope(header) == (
        b'("now" "Hello there" (("A" NIL "a" "x.org")(NIL NIL "b" "y.org")) ((NIL NIL "s" "x.org"))'
        b' ((NIL NIL "r" "x.org")) ((NIL NIL "to" "x.org")) ((NIL NIL "cc" "x.org")) ((NIL NIL "bcc" "x.org"))'
        b' "<0@x.org>" "<1@x.org>")'
    )


def test_nothing() -> None:
    """What isn't there is NIL."""
    for header in (b"", b"\r\n", b"X: y\r\n\r\n"):
        assert envelope(header) == NO_ENVELOPE
    assert parse(NO_ENVELOPE) == [None] * 10


def test_defaults() -> None:
    """Sender and Reply-To are From where they are absent or empty; there is no other default."""
    from_, other = b"From: A <a@x.org>\r\n", b"Sender:\r\nReply-To: ,\r\nTo:\r\nSubject:\r\n\r\n"

    for header in (from_ + b"\r\n", from_ + other):
        assert read_envelope(envelope(header))[2:8] == [[A], [A], [A], None, None, None]
    assert read_envelope(envelope(b"Sender: b@y.org\r\n\r\n"))[2:5] == [None, [B], None]


def test_empty_and_absent() -> None:
    """A text that is there but empty is an empty string."""
    assert read_envelope(envelope(b"Subject:\r\nDate: \r\n\r\n"))[:2] == [b"", b""]


def test_repeated() -> None:
    """Of texts the first counts; addresses are all shown."""
    found = read_envelope(envelope(b"Subject: 1\r\nFrom: A <a@x.org>\r\nSubject: 2\r\nFrom: b@y.org\r\n\r\n"))

    assert found[1] == b"1"
    assert found[2] == [A, B]
    for unended in (b'From: "\r\n', b"From: (\r\n", b"From: <\r\n"):
        assert read_envelope(envelope(unended + b"From: b@y.org\r\n\r\n"))[2][-1] == B


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (b"", b'""'),
        (b"NIL", b'"NIL"'),
        (b'a "b" \\c', b'"a \\"b\\" \\\\c"'),
        (b"tab\there", b'"tab\there"'),
        (b"\x01\x7f", b'"\x01\x7f"'),
        (b"J\xc3\xb6rg", b"{5}\r\nJ\xc3\xb6rg"),
        (b"\xff", b"{1}\r\n\xff"),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"a\rb", b"{3}\r\na\rb"),
        (b"a\0b", b"{5}\r\na\xef\xbf\xbdb"),
    ],
)
def test_string(value: bytes, word: bytes) -> None:
    """Quoted where that can be, else a literal; never a NUL."""
    assert string(value) == word
    assert parse(word) == value.replace(b"\0", "\ufffd".encode())


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.binary(max_size=30))
def test_any_string(value: bytes) -> None:
    """Every string is of the grammar and is read back."""
    assert parse(string(value)) == value.replace(b"\0", "\ufffd".encode())
    assert nstring(value) == string(value)
    assert nstring(None) == b"NIL"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (b"a", b"a"),
        (b"a\r\n b\r\n\tc", b"a b\tc"),
        (b"a\n b", b"a b"),
        (b"a\r\nb", b"a b"),
        (b"a\rb\r\r\nc", b"a b c"),
        (b"a\r\n \r\n b", b"a  b"),
    ],
)
def test_unfolded(value: bytes, line: bytes) -> None:
    """The line ends that fold vanish, others are a space."""
    assert unfolded(value) == line


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from([b"\\", b'"', b"a", b"\\\\", b"\0"]), max_size=12).map(b"".join))
def test_unquoted(text: bytes) -> None:
    """A backslash gives way to the octet behind it."""
    plain, place = bytearray(), 0
    while place < len(text):
        place += text[place : place + 1] == b"\\"
        plain += text[place : place + 1]
        place += 1

    assert unquoted(text) == plain


def one(name: bytes | None, address: bytes, route: bytes | None = None) -> Mailbox:
    local, _, domain = address.rpartition(b"@")
    return Mailbox(name, route, local or b"MISSING_MAILBOX", domain or b"MISSING_DOMAIN")


def group(name: bytes, *members: Mailbox) -> list[Mailbox]:
    return [Mailbox(None, None, name, None), *members, GROUP_END]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"a@x.org", [one(None, b"a@x.org")]),
        (b"<a@x.org>", [one(None, b"a@x.org")]),
        (b"A B. C <a@x.org>", [one(b"A B. C", b"a@x.org")]),
        (b'"B, A" <a@x.org>', [one(b"B, A", b"a@x.org")]),
        (b'"B \\"A\\"" <a@x.org>', [one(b'B "A"', b"a@x.org")]),
        (b'A "B" C <a@x.org>', [one(b"A B C", b"a@x.org")]),
        (b'A  " B  C "\tD <a@x.org>', [one(b"A  B  C  D", b"a@x.org")]),
        (b'"\\"  :" <a@x.org>', [one(b'"  :', b"a@x.org")]),
        (b'"" <a@x.org>', [one(None, b"a@x.org")]),
        (b"J\xc3\xb6rg <a@x.org>", [one(b"J\xc3\xb6rg", b"a@x.org")]),
        (b"=?utf-8?q?J=2C?= <a@x.org>", [one(b"=?utf-8?q?J=2C?=", b"a@x.org")]),
        (b"A (B) C <a@x.org>", [one(b"A C", b"a@x.org")]),
        (b"a@x.org (A B)", [one(b"A B", b"a@x.org")]),
        (b"(A (B) \\)) <a@x.org>", [one(b"A (B) \\)", b"a@x.org")]),
        (b"<a@x.org> (A)", [one(None, b"a@x.org")]),
        (b"a@x.org, b@y.org", [one(None, b"a@x.org"), one(None, b"b@y.org")]),
        (b",, a@x.org ,, b@y.org ,", [one(None, b"a@x.org"), one(None, b"b@y.org")]),
        (b"a@x.org; b@y.org", [one(None, b"a@x.org"), one(None, b"b@y.org")]),
        (b"a@x.org b@y.org", [one(None, b"a@x.org"), one(None, b"b@y.org")]),
        (b"A <a@x.org> B <b@y.org>", [one(b"A", b"a@x.org"), one(b"B", b"b@y.org")]),
        (b"g: a@x.org, B <b@y.org>;", group(b"g", one(None, b"a@x.org"), one(b"B", b"b@y.org"))),
        (b"undisclosed recipients:;", group(b"undisclosed recipients")),
        (b"g:", group(b"g")),
        (b"g: a@x.org", group(b"g", one(None, b"a@x.org"))),
        (b"g:;, h: a@x.org;, b@y.org", [*group(b"g"), *group(b"h", one(None, b"a@x.org")), one(None, b"b@y.org")]),
        (b":;", group(b"")),
        (b"<@r.org,@s.org:a@x.org>", [one(None, b"a@x.org", b"@r.org,@s.org")]),
        (b"A <@r.org:a@x.org>", [one(b"A", b"a@x.org", b"@r.org")]),
        (b"a . b @ x . org", [one(None, b"a.b@x.org")]),
        (b'"a b"@x.org', [one(None, b"a b@x.org")]),
        (b"a@[192.0.2.1]", [one(None, b"a@[192.0.2.1]")]),
        (b"A <a@[IPv6:2001:db8::1]>", [one(b"A", b"a@[IPv6:2001:db8::1]")]),
        (b"a", [one(None, b"a@")]),
        (b"A B", [one(b"A B", b"")]),
        (b"A <>", [one(b"A", b"")]),
        (b"<>", [one(None, b"")]),
        (b"@x.org", [one(None, b"@x.org")]),
        (b"a@b@x.org", [one(None, b"a@b@x.org")]),
        (b"A <a@x.org", [one(b"A", b"a@x.org")]),
        (b"A <a@x.org, b@y.org", [one(b"A", b"a@x.org"), one(None, b"b@y.org")]),
        (b"a@x.org>", [one(None, b"a@x.org")]),
        (b'"A <a@x.org>', [one(b"A <a@x.org>", b"")]),
        (b"a@x.org (never ends", [one(b"never ends", b"a@x.org")]),
        (b"(only)", []),
        (b"", []),
        (b" , ", []),
    ],
)
def test_address_list(value: bytes, found: list[Mailbox]) -> None:
    """Something is shown for whatever was written, and nothing that was written is hidden."""
    assert address_list(value, 100) == found


SOUP = [*'ab., ;:<>@()\\"[]ä\0', "x.org", "a@x.org", "<a@x.org>"]
words = st.text("aäZ .,;:<>@()\\\"[]'=?", max_size=12)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.tuples(words.map(str.strip), st.sampled_from(["a@x.org", "b.c@y.org"])), min_size=1, max_size=4))
def test_written_by_the_standard_library(pairs: list[tuple[str, str]]) -> None:
    """Names in quotes, whatever is in them, are read back."""
    value = ", ".join(formataddr((name, address)) if name.isascii() else address for name, address in pairs)

    found = address_list(value.encode(), 100)

    assert [(box.local or b"") + b"@" + (box.domain or b"") for box in found] == [b.encode() for _, b in pairs]
    assert [(box.name or b"").decode() for box in found] == [name if name.isascii() else "" for name, _ in pairs]


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(SOUP)).map("".join))
def test_anything(text: str) -> None:
    """Nothing raises, all is of the grammar; who is strict enough to understand it sees the same addresses."""
    value = text.encode()
    found = address_list(value, 50)

    read_envelope(envelope(b"From: " + value + b"\r\n\r\n"))
    for mailbox in found:
        assert mailbox.local is not None or mailbox == GROUP_END
        assert mailbox.domain or mailbox.domain is None
    strict = addresses(value)
    if strict is not None and not any(box.name and b"@" in box.name for box in found):
        shown = [(box.local or b"").decode() for box in found if box.domain is not None]
        assert shown == [address.local for address in strict]


def test_limit() -> None:
    """Mailboxes over the limit are left out, in each form in which they come."""
    for unit in (b"a@x.org,", b"a (b)@x.org,", b"g:;", b"a,", b"<"):
        assert len(address_list(unit * 300, 100)) <= 100
        assert address_list(unit, 0) == []
    fields = (name + b": " + b"a@x.org," * 500 + b"\r\n" for name in (b"From", b"To", b"Cc"))
    whole = read_envelope(envelope(b"".join(fields)))
    assert [len(whole[place] or ()) for place in (2, 5, 6)] == [500, MAX_MAILBOXES - 503, 0]


@pytest.mark.parametrize(
    "unit",
    [b"a,", b"(", b"()", b'"', b'""', b"<", b"<>", b"a ", b":", b":;", b"@", b"\\", b'"\\', b"\xff", b"[", b"a@x,"],
)
def test_work_is_bounded(unit: bytes) -> None:
    """However long a field is, no more is done than for each mailbox that may be shown."""
    header = b"To: " + unit * (100_000 // len(unit)) + b"\r\n\r\n"
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        envelope(header)
    finally:
        sys.setprofile(None)

    assert calls < 80 * MAX_MAILBOXES
