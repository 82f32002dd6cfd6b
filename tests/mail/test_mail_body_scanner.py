"""The scanner finds every part of a message, however it is cut and however it is meant."""

from __future__ import annotations

import sys
from email import message_from_bytes
from email.message import Message as StandardMessage
from itertools import pairwise

import pytest
from awkward_messages import messages
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_answer import Body, read_body, read_envelope
from mime_trees import Tree, message_of, plain_parts, trees

from twistedmail_mta.mail import body_scanner
from twistedmail_mta.mail.body_scanner import (
    MAX_BOUNDARIES,
    MAX_DEPTH,
    MAX_PART_HEADER,
    MAX_PART_HEADERS,
    MAX_PARTS,
    MAX_WORDS,
    BodyScanner,
)
from twistedmail_mta.mail.body_structure import body
from twistedmail_mta.mail.header import split
from twistedmail_mta.mail.parts import Encoding, Nesting, Part, read_parts
from twistedmail_mta.mail.structure import structure, structure_of
from twistedmail_mta.model import Structure

MIXED = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
PIECES = [
    b"x",
    b"",
    b"\r\n",
    b"\r",
    b"\n",
    b"--",
    b"\n--",
    b"\r\n--=_",
    b"--=_",
    b"\0\xff",
    b"a: b\r\n",
    b"longer text\r\n",
]
MULTIPART = b"Content-Type: multipart/mixed; boundary=%b\r\n"
RFC822 = b"Content-Type: message/rfc822\r\n"
SOUP = [
    *(b"\r\n", b"\n", b"\r", b"--", b"x", b"x\r\n", b":", b"\r\n\r\n", b"\n\n"),
    *(
        b"--b",
        b"--bb",
        b"--c",
        b"--b--",
        b"--bb--",
        b"--c--",
        b"--b\r\n",
        b"\r\n--b\r\n",
        b"\r\n--c\r\n",
        b"\r\n--bb\r\n",
    ),
    *(MULTIPART % name for name in (b"b", b"bb", b"c", b'""', b"b-")),
    *(b"Content-Type: multipart/digest; boundary=c\r\n\r\n", b"Content-Type: text/x\r\n\r\n"),
    *(RFC822, RFC822 + b"\r\n", b"Subject: x\r\n"),
]


def scan(header: bytes, blocks: list[bytes], batch: int = 1) -> Structure:
    scanner = BodyScanner(header, batch)
    for block in blocks:
        scanner.add(block)
    return structure_of(header, scanner.finish())


def cut(text: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def check(header: bytes, text: bytes, found: Structure) -> Part:
    """Fail where an answer isn't of the grammar or disagrees with the parts, or they don't fit into one another."""
    read_envelope(found.envelope)
    tree = read_parts(found.parts)
    whole = read_body(found.body)
    assert (tree.header, tree.begin, tree.end) == (0, 0, len(text))
    check_part(tree, whole, text)
    assert without_extension(whole) == read_body(body(found.body), extended=False)
    return tree


def check_part(part: Part, told: Body, text: bytes) -> None:
    assert 0 <= part.header <= part.begin <= part.end <= len(text)
    assert part.lines == text.count(b"\n", part.begin, part.end)
    if part.nesting is not Nesting.MULTIPART:
        assert told.octets == part.end - part.begin
        assert told.lines in (None, part.lines)
    assert (part.nesting is Nesting.MESSAGE) == (told.kind == "message/rfc822")
    assert len(part.children) == len(told.children)
    assert bool(part.children) == (part.nesting is not Nesting.LEAF)
    place = part.begin
    for child, inside in zip(part.children, told.children, strict=True):
        assert place <= child.header
        check_part(child, inside, text)
        place = child.end
    assert place <= part.end


def without_extension(told: Body) -> Body:
    told.extension = []
    told.children = tuple(without_extension(child) for child in told.children)
    if told.kind.startswith("multipart/"):
        told.parameters = {}
    return told


@settings(max_examples=300, derandomize=True, deadline=None)
@given(trees(PIECES), st.lists(st.integers(0, 5000), max_size=12), st.sampled_from([1, 3, 64, 300]))
def test_known_structure(tree: Tree, places: list[int], batch: int) -> None:
    """A message made of known parts has just those, however it is cut."""
    header, text, parts = message_of(tree)

    found = scan(header, cut(text, places), batch)

    assert check(header, text, found) == parts
    assert plain_parts(header, text) == parts


@settings(max_examples=400, derandomize=True, deadline=None)
@given(
    st.lists(st.sampled_from(SOUP), max_size=40).map(b"".join),
    st.lists(st.integers(0, 1000), max_size=5),
    st.booleans(),
)
def test_soup(text: bytes, places: list[int], whole: bool) -> None:
    """Whatever comes gives an answer of the grammar, and the parts that a plain reader finds line by line."""
    header = b"Content-Type: message/rfc822\r\n\r\n" if whole else MIXED

    found = scan(header, cut(text, places))

    assert check(header, text, found) == plain_parts(header, text)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(trees([b"x", b"\r\n", b"--", b"--=_", b"a: b\r\n", b"text\r\n"], well_formed=True))
def test_standard_library_agrees(tree: Tree) -> None:
    """The standard library's parser finds the same contents in messages that are well formed."""
    header, text, parts = message_of(tree)

    assert standard_contents(message_from_bytes(header + text)) == contents(parts, text)


def standard_contents(message: StandardMessage) -> object:
    if message.is_multipart():
        return [standard_contents(part) for part in message.get_payload()]
    return message.get_payload().encode("ascii", "surrogateescape")


def contents(part: Part, text: bytes) -> object:
    return [contents(child, text) for child in part.children] or text[part.begin : part.end]


@pytest.mark.parametrize(("name", "message"), [*messages()], ids=[name for name, _ in messages()])
def test_every_cut(name: str, message: bytes) -> None:
    """Awkward messages are read alike wherever they are cut in two, and octet by octet."""
    header, text = split(message)
    known = structure(header, text)

    assert check(header, text, known) == plain_parts(header, text)
    for place in {*range(0, len(text), 1 + len(text) // 60)}:
        assert scan(header, [text[:place], text[place:]]) == known
    assert scan(header, [text[place : place + 1] for place in range(min(len(text), 500))] + [text[500:]]) == known
    assert structure_of(header, BodyScanner(header).finish()) == structure(header, b"")


def test_boundary_ends_a_header() -> None:
    """A boundary in a header ends it, the line end before it is the boundary's."""
    tree = read_parts(structure(MIXED, b"--b\r\nContent-Type: text/html\r\n--b\r\n\r\nx\r\n--b--").parts)

    assert [(part.header, part.begin, part.end) for part in tree.children] == [(5, 28, 28), (35, 37, 38)]


def test_multipart_without_parts_has_its_text() -> None:
    """What no boundary divides is shown as one part of plain text: RFC 2046 section 5.1.1 wants at least one."""
    found = structure(MIXED, b"some\r\ntext\r\n")

    assert read_body(found.body).children == (
        Body("text/plain", {b"charset": b"us-ascii"}, [None] * 4, encoding=b"7bit", octets=12, lines=2),
    )
    (part,) = read_parts(found.parts).children
    assert (part.header, part.begin, part.end) == (0, 0, 12)


def nested(depth: int) -> tuple[bytes, bytes]:
    """Return a message of so many multiparts inside one another."""
    head = b"Content-Type: multipart/mixed; boundary=b%d-\r\n\r\n"
    return head % 0, b"".join(b"--b%d-\r\n" % place + head % (place + 1) for place in range(depth - 1))


def depth_of(part: Part) -> int:
    return 1 + max(map(depth_of, part.children), default=0)


def test_nested_multiparts() -> None:
    """The multipart over the limit is opaque, with all that is in it."""
    header, text = nested(MAX_BOUNDARIES)
    assert depth_of(check(header, text, structure(header, text))) == MAX_BOUNDARIES + 1

    header, text = nested(MAX_BOUNDARIES + 1)
    text += b"--b%d-\r\n\r\nx\r\n" % MAX_BOUNDARIES
    found = structure(header, text)
    part = check(header, text, found)
    assert depth_of(part) == MAX_BOUNDARIES + 1
    assert b'"application" "octet-stream"' in found.body
    while part.children:
        (part,) = part.children
    assert part.end == len(text)


def test_nested_messages() -> None:
    """The message over the limit is opaque."""
    head = b"Content-Type: message/rfc822\r\n\r\n"
    text = head * (MAX_DEPTH + 50) + b"Subject: x\r\n\r\nhello\r\n"
    found = structure(head, text)

    assert depth_of(check(head, text, found)) == MAX_DEPTH
    assert found.body.count(b'"message" "rfc822"') == MAX_DEPTH - 1
    assert found.body.count(b'"application" "octet-stream"') == 1


@pytest.mark.parametrize("part", [b"--b\r\n", b"--b\r\n\r\n", b"--b\r\nContent-Type: text/x\r\n\r\nx\r\n"])
def test_many_parts(part: bytes) -> None:
    """The last part that is looked at is opaque and holds all that follows."""
    text = part * (MAX_PARTS + 100)
    tree = check(MIXED, text, structure(MIXED, text))

    assert len(tree.children) == MAX_PARTS - 1
    assert tree.children[-1].end == len(text)
    assert tree.children[-1].encoding is Encoding.IDENTITY
    assert tree.children[-1].begin == (MAX_PARTS - 2) * len(part) + 5


def test_parts_up_to_the_limit() -> None:
    """Just as many parts as may be are all looked at, and a message in the last one is not."""
    text = b"--b\r\n\r\n" * (MAX_PARTS - 3) + b"--b\r\nContent-Type: message/rfc822\r\n\r\n\r\nx\r\n--b--\r\n"

    assert structure(MIXED, text).body.count(b"octet-stream") == 0
    assert structure(MIXED, b"--b\r\n\r\n" + text).body.count(b"octet-stream") == 1


@pytest.mark.parametrize("batch", [1, 16 * 1024, 1 << 30])
def test_long_header(batch: int) -> None:
    """A header over the limit is none: the part is opaque; one octet less is read."""
    fields = b"Content-Type: text/x\r\nX: "
    for length, kind in ((MAX_PART_HEADER, "text/x"), (MAX_PART_HEADER + 10, "application/octet-stream")):
        field = fields + b"y" * (length - len(fields) - 4)
        text = b"--b\r\n" + field + b"\r\n\r\nhello\r\n--b\r\n\r\nmore\r\n--b--\r\n"
        found = scan(MIXED, cut(text, [*range(0, len(text), 1000)]), batch)

        first, second = check(MIXED, text, found).children
        assert read_body(found.body).children[0].kind == kind
        assert text[first.begin : first.end] == (b"hello" if kind == "text/x" else field + b"\r\n\r\nhello")
        assert text[second.begin : second.end] == b"more"


def test_many_headers() -> None:
    """Parts behind so many octets of headers are opaque, and still counted."""
    part = b"--b\r\nX: " + b"y" * 60_000 + b"\r\nContent-Type: text/x\r\n\r\nhello\r\n"
    text = part * 30
    told = read_body(structure(MIXED, text).body)

    kinds = [child.kind for child in told.children]
    readable = MAX_PART_HEADERS // (len(part) - 12)
    assert kinds == ["text/x"] * readable + ["application/octet-stream"] * (30 - readable)
    assert {child.octets for child in told.children[:-1]} == {5}


def test_many_words() -> None:
    """Parts behind so many addresses and parameters are opaque."""
    message = b"--b\r\nContent-Type: message/rfc822\r\n\r\nTo: " + b"a@x," * 900 + b"\r\n\r\nx\r\n"
    text = message * 20
    kinds = [child.kind for child in read_body(structure(MIXED, text).body).children]

    readable = kinds.count("message/rfc822")
    assert kinds == ["message/rfc822"] * readable + ["application/octet-stream"] * (20 - readable)
    assert MAX_WORDS // 900 - 1 <= readable <= MAX_WORDS // 900 + 1


class CountedOctets(bytearray):
    """Octets that know how many of them were looked at."""

    looked_at = 0

    def find(self, sub: bytes, start: int, end: int = sys.maxsize) -> int:  # type: ignore[override]
        place = super().find(sub, start, end)
        type(self).looked_at += (min(end, len(self)) if place < 0 else place + len(sub)) - start
        return place

    def count(self, sub: bytes, start: int, end: int) -> int:  # type: ignore[override]
        type(self).looked_at += end - start
        return super().count(sub, start, end)


HOSTILE = {
    "boundaries": (MIXED, b"--b\r\n"),
    "empty parts": (MIXED, b"--b\r\n\r\n"),
    "boundary prefixes": (MIXED, b"--\r\n"),
    "line ends": (MIXED, b"\r\n"),
    "no line ends": (MIXED, b"-"),
    "ends": (MIXED, b"--b--\r\n"),
    "boundary without line end": (MIXED, b"--bx"),
    "end without line end": (MIXED, b"--b--x"),
    "messages": (b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: message/rfc822\r\n\r\n"),
    "multiparts": (MIXED, b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"),
    "messages in parts": (MIXED, b"--b\r\nContent-Type: message/rfc822\r\n\r\n"),
    "long headers": (MIXED, b"--b\r\n" + b"X: y\r\n" * 20_000),
    "headers without end": (MIXED, b"--b\r\n" + b"X: y\r\n" * 50),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("size", [500, 65536])
def test_work_is_linear(name: str, size: int) -> None:
    """Each octet is looked at a few times, and each part costs a bounded number of calls, whatever arrives."""
    header, unit = HOSTILE[name]
    text = unit * (3_000_000 // len(unit))

    looked_at, calls = work(header, text, size)

    assert looked_at < 3 * len(text) + MAX_PARTS * 8192
    assert calls < 150 * MAX_PARTS + 5 * (len(text) // size) + 100 * (len(text) // 8192)


def test_work_with_many_boundaries() -> None:
    """Where 30 multiparts are open each octet is looked at once for each, and each part is still cheap."""
    header, text = nested(MAX_BOUNDARIES)
    text += b"--b%d-\r\n\r\n" % (MAX_BOUNDARIES - 1) * 900 + b"--bb\r\n" * 100_000

    looked_at, calls = work(header, text, 65536)

    assert looked_at < (MAX_BOUNDARIES + 6) * len(text)
    assert calls < 150 * MAX_PARTS + 10 * MAX_BOUNDARIES * (len(text) // 8192)


def work(header: bytes, text: bytes, size: int) -> tuple[int, int]:
    """Return how many octets a scanner looks at, and how many functions it calls."""
    scanner = BodyScanner(header)
    scanner._held = CountedOctets(scanner._held)
    CountedOctets.looked_at = 0
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        for place in range(0, len(text), size):
            scanner.add(text[place : place + size])
        scanner.finish()
    finally:
        sys.setprofile(None)
    return CountedOctets.looked_at, calls


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_bounded(name: str) -> None:
    """No more than a header, a batch and a block are held."""
    header, unit = HOSTILE[name]
    scanner = BodyScanner(header)
    block = unit * (8000 // len(unit) + 1)

    most = 0
    for _ in range(2_000_000 // len(block)):
        scanner.add(block)
        most = max(most, len(scanner._held))

    assert most <= MAX_PART_HEADER + body_scanner.BATCH + len(block) + 200


def test_body_without_parts_is_not_held() -> None:
    """A body that isn't multipart is counted and forgotten, and so is what follows the last boundary."""
    plain, closed = BodyScanner(b"\r\n"), BodyScanner(MIXED, batch=1)
    closed.add(b"--b\r\n\r\nx\r\n--b--\r\n" + b"x" * 200)

    for scanner in (plain, closed):
        scanner.add(b"text\r\n" * 10)
        assert len(scanner._held) <= 2
    assert plain.finish().message.lines == 10
    assert closed.finish().message.lines == 14


def test_many_forwarded_messages() -> None:
    """A hundred and fifty messages that somebody forwards at once are all looked into."""
    header = b"From: Alice Example <alice@sender.test>\r\nTo: Bob <bob@lmtp.test>, carol@lmtp.test\r\nSubject: yes\r\n"
    header += b"Date: Sat, 21 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1234567890.1234567890@sender.test>\r\n"
    part = b"--%b\r\nContent-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nx\r\n"
    text = b""
    for number in range(150):
        name = b"c%d-" % number
        text += (
            b'--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename="%d.eml"\r\n\r\n'
            % number
        )
        text += header + b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n' % name
        text += part % (name, b"plain") + part % (name, b"html") + b"--%b--\r\n" % name

    told = read_body(structure(MIXED, text).body)

    assert [child.kind for child in told.children] == ["message/rfc822"] * 150
    assert all(len(child.children[0].children) == 2 for child in told.children)
