"""The header view: every octet that isn't asked to change stays."""

from __future__ import annotations

from email import message_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.header import Header, begins_with_field, split

BLOCK = (
    b"Received: from a\r\n\tby b; today\r\n"
    b"received : from c\r\n"
    b"From: A <a@example.org>\r\n"
    b"BCC: x@example.org,\r\n y@example.org\r\n"
    b"Subject: \r\n"
    b"X-From: no\r\n"
    b"\r\n"
)


@pytest.mark.parametrize(
    ("data", "header", "body"),
    [
        (b"A: 1\r\n\r\nbody\r\n", b"A: 1\r\n\r\n", b"body\r\n"),
        (b"A: 1\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\n", b""),
        (b"A : 1\r\n\r\n\r\nx", b"A : 1\r\n\r\n", b"\r\nx"),
        (b"\r\nbody", b"\r\n", b"body"),
        (b"hello there\r\n\r\nA: 1\r\n", b"", b"hello there\r\n\r\nA: 1\r\n"),
        (b"From me Mon\r\nA: 1\r\n\r\n", b"", b"From me Mon\r\nA: 1\r\n\r\n"),
        (b" A: 1\r\n\r\n", b"", b" A: 1\r\n\r\n"),
        (b": 1\r\n\r\n", b"", b": 1\r\n\r\n"),
        (b"\xc3\xa4: 1\r\n\r\n", b"", b"\xc3\xa4: 1\r\n\r\n"),
        (b"A: 1\r\nbroken\r\n\r\nb", b"A: 1\r\nbroken\r\n\r\n", b"b"),
        (b"", b"", b""),
    ],
)
def test_split(data: bytes, header: bytes, body: bytes) -> None:
    """The header ends behind its empty line; text without a field at its head has none."""
    assert split(data) == (header, body)


def test_bytearray_can_be_looked_at() -> None:
    """The receiving side asks about the buffer it still fills."""
    assert begins_with_field(bytearray(b"Subject: x"))
    assert not begins_with_field(bytearray(b"Subject x"))


def test_fields_are_found_whatever_their_case() -> None:
    """Case and the obsolete space before the colon don't hide a field; a longer name is another."""
    header = Header(BLOCK)

    assert header.count(b"Received") == 2
    assert header.get_all(b"RECEIVED") == [b"from a\r\n\tby b; today", b"from c"]
    assert header.get_all(b"from") == [b"A <a@example.org>"]
    assert header.get(b"Subject") == b""
    assert header.get(b"To") is None
    assert header.has(b"bcc")
    assert not header.has(b"cc")


def test_counting_ends() -> None:
    """A header made of nothing but trace fields costs no more than the limit is worth."""
    header = Header(b"Received: x\r\n" * 5000)

    assert header.count(b"received") == 1000
    assert header.count(b"received", up_to=101) == 101


def test_without_takes_whole_fields() -> None:
    """Folded lines go with their field, everything else stays octet for octet."""
    header = Header(BLOCK).without(b"Bcc", b"Received", b"nothing", b"bcc")

    assert header.block == b"From: A <a@example.org>\r\nSubject: \r\nX-From: no\r\n\r\n"


def test_without_takes_runs_and_forgives_spaces() -> None:
    """Fields side by side, with spaces before the colon, at the very end without its CRLF; longer names stay."""
    block = b"Bcc: a\r\nbcc \t: b\r\n\tc\r\nBccx: 1\r\nX-Bcc: 2\r\nBcc\r\nA: Bcc: d\r\nBcc: e\r\nBcc:"

    assert Header(block).without(b"bcc").block == b"Bccx: 1\r\nX-Bcc: 2\r\nBcc\r\nA: Bcc: d\r\n"


def test_broken_line_goes_with_its_field() -> None:
    """A blind copy's address on a line that lost its indentation must not be revealed."""
    header = Header(b"To: a@b\r\nBcc: c@d,\r\ne@f\r\nSubject: x\r\n\r\n")

    assert header.without(b"bcc").block == b"To: a@b\r\nSubject: x\r\n\r\n"


def test_broken_line_stays_where_a_field_hides_nothing() -> None:
    """It may be the text of a message whose author forgot the empty line; folded lines go."""
    header = Header(b"To: a@b\r\nStatus: R\r\n\tO\r\nstatus : X\r\nbroken\r\nX-Status: y\r\nSubject: x\r\n\r\n")

    assert header.stripped_of(b"status").block == b"To: a@b\r\nbroken\r\nX-Status: y\r\nSubject: x\r\n\r\n"
    assert header.stripped_of(b"bcc") is header
    assert Header(b"Status: R\r\nbroken\r\n").stripped_of(b"status").block == b"broken\r\n"


def test_last_field_ends_before_the_empty_line() -> None:
    """Removing the last field keeps the empty line that ends the header."""
    assert Header(b"A: 1\r\nBcc: x\r\n\r\n").without(b"bcc").block == b"A: 1\r\n\r\n"
    assert Header(b"Bcc: x").without(b"bcc").block == b""


@pytest.mark.parametrize(
    ("block", "prepended", "appended"),
    [
        (b"A: 1\r\n\r\n", b"N: 0\r\nA: 1\r\n\r\n", b"A: 1\r\nN: 0\r\n\r\n"),
        (b"A: 1\r\n", b"N: 0\r\nA: 1\r\n", b"A: 1\r\nN: 0\r\n"),
        (b"A: 1", b"N: 0\r\nA: 1", b"A: 1\r\nN: 0\r\n"),
        (b"\r\n", b"N: 0\r\n\r\n", b"N: 0\r\n\r\n"),
        (b"", b"N: 0\r\n\r\n", b"N: 0\r\n\r\n"),
    ],
)
def test_adding(block: bytes, prepended: bytes, appended: bytes) -> None:
    """A field goes before or behind the others; a header that begins to exist ends in an empty line."""
    assert Header(block).prepend(b"N: 0\r\n").block == prepended
    assert Header(block).append(b"N: 0\r\n").block == appended


def test_eight_bit_header_is_seen() -> None:
    """Whether SMTPUTF8 is needed depends on it."""
    assert Header(b"A: 1\r\n\r\n").is_ascii
    assert not Header(b"A: \xc3\xa4\r\n\r\n").is_ascii


@settings(derandomize=True, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([b"From", b"X", b"bcc"]), st.sampled_from([b"a", b"", b"b\r\n c", b"d:e"]))))
def test_agrees_with_the_standard_parser(fields: list[tuple[bytes, bytes]]) -> None:
    """On well-formed fields the view finds what the standard library finds."""
    block = b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n"
    parsed = message_from_bytes(block)

    for name in (b"from", b"x", b"bcc"):
        expected = [value.encode() for value in parsed.get_all(name.decode(), [])]
        assert [value.replace(b"\r\n", b"\n") for value in Header(block).get_all(name)] == [
            value.replace(b"\r\n", b"\n") for value in expected
        ]
        left = message_from_bytes(Header(block).without(name).block)
        assert left.keys() == [key for key in parsed.keys() if key.lower() != name.decode()]  # noqa: SIM118


@settings(derandomize=True, max_examples=300)
@given(st.lists(st.sampled_from([b"A", b"bcc", b":", b" ", b"\r\n", b"\t", b"\xff", b"\x00", b"x"])).map(b"".join))
def test_odd_input_loses_nothing(data: bytes) -> None:
    """Whatever comes in, the parts join to the whole, and removing a field removes it."""
    header, body = split(data)

    assert header + body == data
    assert not Header(header).without(b"bcc").has(b"bcc")


FIELDS = [
    b"A: 1\r\n",
    b"a: 2\r\n",
    b"B : 3\r\n",
    b"Ab: 4\r\n",
    b"A:\r\n",
    b" more\r\n",
    b"broken\r\n",
    b"C:x\r\n\ty\r\n",
    b"\r\n",
]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(FIELDS), max_size=8).map(b"".join))
def test_collected_at_once(block: bytes) -> None:
    """Looking for many names at once finds what looking for each does."""
    header = Header(block)

    found = header.collect((b"a", b"b", b"c"))

    assert found == {name: values for name in (b"a", b"b", b"c") if (values := header.get_all(name))}
    assert sum(map(len, header.collect((b"a", b"b", b"c"), up_to=1).values())) <= 1


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(FIELDS[:-1]), max_size=8).map(b"".join), st.booleans())
def test_fields_one_by_one(block: bytes, closed: bool) -> None:
    """Each with all that follows its colon; what looks for a name finds the same."""
    header = Header(b"First: 0\r\n" + block + b"\r\n" * closed)

    fields = list(header.fields())

    assert header.block.startswith(fields[0][0] + b":" + fields[0][1])
    for name in {name.lower() for name, _ in fields}:
        assert [value.strip() for each, value in fields if each.lower() == name] == header.get_all(name)
    assert sum(len(name) + len(value) + 3 for name, value in fields) <= len(header.block)


def test_fields_are_exact() -> None:
    """Spaces before and behind the colon, folding, no space at all, broken lines."""
    header = Header(b"A: 1\r\nB : 2\r\nC:3\r\nD:  4\r\n\tmore \r\nE:\r\nbroken\r\nF: \xe9\r\n\r\n")

    assert list(header.fields()) == [
        (b"A", b" 1"),
        (b"B", b" 2"),
        (b"C", b"3"),
        (b"D", b"  4\r\n\tmore "),
        (b"E", b"\r\nbroken"),
        (b"F", b" \xe9"),
    ]
    assert list(Header(b"").fields()) == list(Header(b"\r\n").fields()) == []
    assert list(Header(b"A: 1").fields()) == [(b"A", b" 1")]


@pytest.mark.parametrize(
    ("index", "block"),
    [
        (0, b"N: 0\r\nA: 1\r\n x\r\nB: 2\r\n\r\n"),
        (1, b"A: 1\r\n x\r\nN: 0\r\nB: 2\r\n\r\n"),
        (2, b"A: 1\r\n x\r\nB: 2\r\nN: 0\r\n\r\n"),
        (9, b"A: 1\r\n x\r\nB: 2\r\nN: 0\r\n\r\n"),
    ],
)
def test_put_between(index: int, block: bytes) -> None:
    """Folded lines stay with their field."""
    assert Header(b"A: 1\r\n x\r\nB: 2\r\n\r\n").inserted(index, b"N: 0\r\n").block == block


@pytest.mark.parametrize("index", [0, 1])
def test_put_where_nothing_is(index: int) -> None:
    """The header that begins to exist ends in an empty line."""
    assert Header(b"").inserted(index, b"N: 0\r\n").block == b"N: 0\r\n\r\n"


def test_one_of_several_changed() -> None:
    """Counted from 1 among those of the name; the others stay."""
    header = Header(b"A: 1\r\na: 2\r\n x\r\nB: 3\r\nA: 4\r\n\r\n")

    changed = header.changed(b"A", 2, b"A: new\r\n")
    assert changed is not None
    assert changed.block == b"A: 1\r\nA: new\r\nB: 3\r\nA: 4\r\n\r\n"
    removed = header.changed(b"a", 3, b"")
    assert removed is not None
    assert removed.block == b"A: 1\r\na: 2\r\n x\r\nB: 3\r\n\r\n"
    assert header.changed(b"A", 4, b"") is None
    assert header.changed(b"C", 1, b"") is None


@pytest.mark.parametrize("end", [b"\r\n", b""])
def test_all_with_a_value(end: bytes) -> None:
    """They go wherever they are, however they are written; others of the name stay."""
    header = Header(b"A: 1\r\nX: mine;\r\n b\r\nX: other\r\nx :  mine;\r\n b \r\nB: mine;\r\n b\r\n" + end)

    found = header.without_value(b"X", header.get_all(b"x")[0])

    assert found.block == b"A: 1\r\nX: other\r\nB: mine;\r\n b\r\n" + end
    assert found.without_value(b"X", b"mine") is found
    assert found.without_value(b"A", b"1").block == b"X: other\r\nB: mine;\r\n b\r\n" + end


def test_one_of_thousands_with_a_value() -> None:
    """Where its number is right no other is looked at: a peer may send thousands, and each change would cost that."""

    class Watched(Header):
        looked_at = 0

        def _end(self, value: int) -> int:
            self.looked_at += 1
            return super()._end(value)

    header = Watched(b"X: mine\r\n" * 5000 + b"\r\n")

    found = header.with_value(b"X", b"mine", b"yours", 7)

    assert found is not None
    assert found.get_all(b"X") == [b"mine"] * 6 + [b"yours"] + [b"mine"] * 4993
    assert header.looked_at == 1
