"""Which octets a section means."""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from awkward_messages import messages
from hypothesis import given, settings
from hypothesis import strategies as st
from mime_trees import message_of, plain_parts, trees

from twistedmail_mta.imap.fetch import Partial, Text
from twistedmail_mta.imap.sections import Span, message_span, part_span
from twistedmail_mta.mail.header import split
from twistedmail_mta.mail.parts import Nesting, Part, read_parts
from twistedmail_mta.mail.structure import structure

MESSAGES = dict(messages())
PIECES = [b"text\r\n", b"\r\n", b"-", b"Aa bb", b"From: x\r\n", b"\xc3\xa9", b"\n", b"=3D=\r\n"]


class Sections:
    """The sections of a message, cut out of its octets."""

    def __init__(self, octets: bytes) -> None:
        header, body = split(octets)
        self.octets, self.head = octets, len(header)
        self.tree = read_parts(structure(header, body).parts)

    def of(self, number: str, text: Text = Text.ALL) -> bytes | None:
        if not number:
            return self.cut(message_span(text, self.head, len(self.octets)))
        span = part_span(number, text, self.head, self.tree)
        return None if span is None else self.cut(span)

    def cut(self, span: Span) -> bytes:
        assert 0 <= span.begin <= span.end <= len(self.octets)
        return self.octets[span.begin : span.end]


def numbered(tree: Part, prefix: str = "") -> Iterator[tuple[str, Part]]:
    """Yield the number of every part, and the part (RFC 9051 section 6.4.5.1)."""
    for place, part in enumerate(tree.children if tree.nesting is Nesting.MULTIPART else (tree,), 1):
        number = f"{prefix}{place}"
        yield number, part
        if part.nesting is Nesting.MULTIPART:
            yield from numbered(part, f"{number}.")
        elif part.nesting is Nesting.MESSAGE:
            yield from numbered(part.children[0], f"{number}.")


@pytest.mark.parametrize("name", MESSAGES)
def test_every_section(name: str) -> None:
    """Whatever a message is like, its sections are those of a reader that goes line by line."""
    octets = MESSAGES[name]
    header, body = split(octets)
    tree, sections = plain_parts(header, body), Sections(octets)

    assert sections.of("") == octets
    assert sections.of("", Text.HEADER) == header == sections.of("", Text.FIELDS) == sections.of("", Text.FIELDS_NOT)
    assert sections.of("", Text.TEXT) == body
    for number, part in numbered(tree):
        assert sections.of(number) == body[part.begin : part.end]
        assert sections.of(number, Text.MIME) == (header if part is tree else body[part.header : part.begin])
        inside = part.children[0] if part.nesting is Nesting.MESSAGE else None
        for text in (Text.HEADER, Text.FIELDS, Text.FIELDS_NOT):
            assert sections.of(number, text) == (inside and body[inside.header : inside.begin])
        assert sections.of(number, Text.TEXT) == (inside and body[inside.begin : inside.end])
        assert sections.of(f"{number}.{len(part.children) + 2}") is None
        assert sections.of(f"{number}.{len(part.children) + 2}", Text.HEADER) is None


@settings(max_examples=100)
@given(trees(PIECES, well_formed=True))
def test_stdlib(tree: Any) -> None:
    """Where MIME is as it should be, the parts are those that the standard library finds."""
    header, body, _ = message_of(tree)
    sections = Sections(header + body)

    for number, part in known_to_stdlib(email.message_from_bytes(header + body)):
        if not part.is_multipart():
            assert sections.of(number) == payload(part), number
            assert fields_of(sections.of(number, Text.MIME) or b"") == fields_of(part)
        if part.get_content_type() == "message/rfc822":
            assert fields_of(sections.of(number, Text.HEADER) or b"") == fields_of(part.get_payload(0))
    assert sections.of("1") is not None


def known_to_stdlib(message: Message, prefix: str = "") -> Iterator[tuple[str, Message]]:
    multipart = message.get_content_maintype() == "multipart" and message.is_multipart()
    for place, part in enumerate(message.get_payload() if multipart else [message], 1):
        number = f"{prefix}{place}"
        yield number, part
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            yield from known_to_stdlib(part, f"{number}.")
        elif part.get_content_type() == "message/rfc822":
            yield from known_to_stdlib(part.get_payload(0), f"{number}.")


def payload(part: Message) -> bytes:
    return str(vars(part)["_payload"]).encode("ascii", "surrogateescape")  # as it stood, unlike all that is public


def fields_of(header: bytes | Message) -> list[tuple[str, Any]]:
    message = email.message_from_bytes(header) if isinstance(header, bytes) else header
    return [(name, str(value)) for name, value in message.items()]


@given(st.binary(max_size=20), st.integers(0, 25), st.integers(0, 2**64), st.integers(1, 30))
def test_pieces(octets: bytes, before: int, offset: int, count: int) -> None:
    """A piece is what Python's slices make of it, wherever it begins or ends."""
    span = Span(before, before + len(octets))

    for begin in (offset, offset % 25):
        piece = span.cut(Partial(begin, count))
        assert octets[piece.begin - before : piece.end - before] == octets[begin : begin + count]
        assert len(piece) == piece.end - piece.begin
    assert span.cut(None) == span


def test_numbers_of_rfc() -> None:
    """The message of RFC 9051 section 6.4.5.1's example has the sections that are told there."""
    octets = b"".join(
        [
            b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nTEXT/PLAIN\r\n--a\r\n",
            b"Content-Type: application/octet-stream\r\n\r\nOCTETS\r\n--a\r\n",
            b"Content-Type: message/rfc822\r\n\r\nSubject: 3\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n",
            b"--c\r\n\r\n3.1\r\n--c\r\nContent-Type: application/octet-stream\r\n\r\n3.2\r\n--c--\r\n--a\r\n",
            b"Content-Type: multipart/mixed; boundary=d\r\n\r\n--d\r\nContent-Type: image/gif\r\n\r\n4.1\r\n--d\r\n",
            b"Content-Type: message/rfc822\r\n\r\nSubject: 4.2\r\nContent-Type: multipart/mixed; boundary=e\r\n\r\n",
            b"--e\r\n\r\n4.2.1\r\n--e\r\nContent-Type: multipart/alternative; boundary=f\r\n\r\n--f\r\n\r\n4.2.2.1\r\n",
            b"--f\r\nContent-Type: text/richtext\r\n\r\n4.2.2.2\r\n--f--\r\n--e--\r\n--d--\r\n--a--\r\n",
        ]
    )
    sections = Sections(octets)

    assert [sections.of(number) for number in ("1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2")] == [
        *(b"TEXT/PLAIN", b"OCTETS", b"3.1", b"3.2", b"4.1", b"4.2.1", b"4.2.2.1", b"4.2.2.2")
    ]
    assert (sections.of("3", Text.HEADER) or b"").startswith(b"Subject: 3\r\n")
    assert (sections.of("4.2", Text.HEADER) or b"").startswith(b"Subject: 4.2\r\n")
    assert (sections.of("4.2", Text.TEXT) or b"").startswith(b"--e\r\n\r\n4.2.1")
    assert sections.of("4.1", Text.MIME) == b"Content-Type: image/gif\r\n\r\n"
    assert sections.of("4.2.2", Text.MIME) == b"Content-Type: multipart/alternative; boundary=f\r\n\r\n"
    assert sections.of("4", Text.HEADER) is sections.of("5") is sections.of("4.2.3") is None
