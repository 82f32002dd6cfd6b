"""Messages of known structure, and a plain reader of structure that knows no limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from hypothesis import strategies as st

from twistedmail_mta.mail.content import Content, content_of, default_in
from twistedmail_mta.mail.parts import Encoding, Nesting, Part


@dataclass
class Leaf:
    """A part with nothing inside."""

    fields: bytes
    encoding: Encoding
    body: bytes


@dataclass
class Multipart:
    """A multipart; without its last boundary if it isn't closed."""

    children: list[Tree]
    preamble: bytes
    epilogue: bytes
    closed: bool


@dataclass
class Message:
    """A message/rfc822."""

    inside: Tree


Tree = Leaf | Multipart | Message

ENCODINGS = {
    b"": Encoding.IDENTITY,
    b"7bit": Encoding.IDENTITY,
    b"8BIT": Encoding.IDENTITY,
    b"binary": Encoding.IDENTITY,
    b"base64": Encoding.BASE64,
    b"Quoted-Printable": Encoding.QUOTED_PRINTABLE,
    b"x-own": Encoding.UNKNOWN,
}


KINDS = [b"", b"text/plain", b"image/png", b"message/x"]


def trees(pieces: list[bytes], *, well_formed: bool = False) -> st.SearchStrategy[Tree]:
    """Return trees whose leaves are made of these pieces, none of which has a digit.

    Args:
        well_formed: every multipart is closed, and nothing but message/rfc822 is a message.
    """
    text = st.lists(st.sampled_from(pieces), max_size=6).map(b"".join)
    leaves = st.builds(_leaf, st.sampled_from(KINDS[: 3 if well_formed else 4]), st.sampled_from([*ENCODINGS]), text)
    return st.recursive(
        leaves,
        lambda inside: (
            st.builds(
                Multipart,
                st.lists(inside, min_size=1, max_size=4),
                st.sampled_from([b"", b"preamble\r\n", b"\r\n", b"a: b\r\n\r\n--\r\n"]),
                st.sampled_from([b"", b"\r\n", b"\r\nepilogue", b"\r\n--\r\n\r\nx\r\n"]),
                st.just(value=True) if well_formed else st.booleans(),
            )
            | st.builds(Message, inside)
        ),
        max_leaves=10,
    )


def _leaf(kind: bytes, encoding: bytes, body: bytes) -> Leaf:
    fields = (b"Content-Type: %b\r\n" % kind if kind else b"") + (
        b"Content-Transfer-Encoding: %b\r\n" % encoding if encoding else b""
    )
    return Leaf(fields, ENCODINGS[encoding], body)


def message_of(tree: Tree) -> tuple[bytes, bytes, Part]:
    """Return header and body of a message with this structure, and where its parts are."""
    body = bytearray()
    names = (b"=_%d_" % number for number in count())
    header, boundary = _header(tree, names)
    return b"MIME-Version: 1.0\r\n" + header, (part := _write(tree, body, 0, boundary, names)) and bytes(body), part


def _header(tree: Tree, names: Iterator[bytes]) -> tuple[bytes, bytes]:
    if isinstance(tree, Leaf):
        return tree.fields + b"\r\n", b""
    if isinstance(tree, Message):
        return b"Content-Type: message/rfc822\r\n\r\n", b""
    boundary = next(names)
    return b'Content-Type: multipart/mixed;\r\n boundary="%b"\r\n\r\n' % boundary, boundary


def _write(tree: Tree, body: bytearray, header: int, boundary: bytes, names: Iterator[bytes]) -> Part:
    """Write the body of a part whose header is written already."""
    begin, encoding, children = len(body), Encoding.IDENTITY, []
    if isinstance(tree, Leaf):
        body += tree.body
        nesting, encoding = Nesting.LEAF, tree.encoding
    elif isinstance(tree, Message):
        nesting = Nesting.MESSAGE
        children.append(_write_part(tree.inside, body, b"MIME-Version: 1.0\r\nSubject: x\r\n", names))
    else:
        nesting = Nesting.MULTIPART
        body += tree.preamble
        for child in tree.children:
            body += (b"\r\n" if children else b"") + b"--" + boundary + b"\r\n"
            children.append(_write_part(child, body, b"", names))
        if tree.closed:
            body += b"\r\n--" + boundary + b"--" + tree.epilogue
    return Part(nesting, encoding, header, begin, len(body), body.count(b"\n", begin), tuple(children))


def _write_part(tree: Tree, body: bytearray, fields: bytes, names: Iterator[bytes]) -> Part:
    start = len(body)
    header, boundary = _header(tree, names)
    body += fields + header
    return _write(tree, body, start, boundary, names)


@dataclass
class _Open:
    """A part of the plain reader."""

    header: int
    content: Content | None = None
    begin: int = 0
    boundary: bytes | None = None
    children: list[Part] = field(default_factory=list)


def plain_parts(header: bytes, body: bytes) -> Part:
    """Return the parts of a message, found line by line."""
    return _PlainReader(header, body).tree()


class _PlainReader:
    def __init__(self, header: bytes, body: bytes) -> None:
        self.body = body
        self.stack = [_Open(0)]
        self.floor = 0  # where the line of the last boundary ended
        self.in_header = False
        self.describe(content_of(header), 0)

    def tree(self) -> Part:
        place = 0
        for line in re.findall(rb"[^\n]*\n|[^\n]+\Z", self.body):
            self.line(line, place)
            place += len(line)
        while self.in_header:
            self.end_header(len(self.body))
        return self.end(0, len(self.body))

    def line(self, line: bytes, place: int) -> None:
        active = [part for part in self.stack if part.boundary is not None]
        fitting = [part for part in reversed(active) if line.startswith(b"--" + part.boundary)]
        if fitting:
            self.boundary(max(fitting, key=lambda part: len(part.boundary)), line, place)
        elif self.in_header and line in (b"\n", b"\r\n"):
            self.end_header(place + len(line))

    def boundary(self, owner: _Open, line: bytes, place: int) -> None:
        depth = self.stack.index(owner)
        if len(self.stack) > depth + 1:
            end = place - len(re.search(rb"(?:\r?\n)?\Z", self.body[self.floor : place])[0])
            while self.in_header:
                self.end_header(end)
            owner.children.append(self.end(depth + 1, end))
        self.floor = place + len(line)
        if line.startswith(b"--" + owner.boundary + b"--"):
            owner.boundary = None
            self.floor = place + len(re.sub(rb"\r?\n\Z", b"", line))
        elif line.endswith(b"\n"):
            self.stack.append(_Open(self.floor))
            self.in_header = True

    def end_header(self, end: int) -> None:
        part, parent = self.stack[-1], self.stack[-2]
        header = self.body[part.header : end]
        is_message = parent.content.nesting is Nesting.MESSAGE
        self.describe(
            content_of(header) if is_message else content_of(header, default_in(parent.content), mime=True), end
        )

    def describe(self, content: Content, begin: int) -> None:
        part = self.stack[-1]
        part.content, part.begin, part.boundary = content, begin, content.boundary
        self.in_header = content.nesting is Nesting.MESSAGE
        if self.in_header:
            self.stack.append(_Open(begin))

    def end(self, depth: int, end: int) -> Part:
        """End the part at this depth, and all inside."""
        if len(self.stack) > depth + 1:
            self.stack[depth].children.append(self.end(depth + 1, end))
        part = self.stack.pop()
        header, begin = min(part.header, end), min(part.begin, end)
        lines = self.body.count(b"\n", begin, end)
        if part.content.nesting is Nesting.MULTIPART and not part.children:
            part.children.append(Part(Nesting.LEAF, Encoding.IDENTITY, begin, begin, end, lines))
        content = part.content
        return Part(content.nesting, content.encoding, header, begin, end, lines, tuple(part.children))
