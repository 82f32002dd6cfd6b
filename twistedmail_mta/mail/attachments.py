"""The parts of a message that carry something: decoded, with their type and file name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from twistedmail_mta.mail.body_scanner import BodyScanner
from twistedmail_mta.mail.charset import decoded_text
from twistedmail_mta.mail.content_type import TEXT_PLAIN, content_type, disposition
from twistedmail_mta.mail.decoded_field import decoded_field
from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.parts import Nesting
from twistedmail_mta.mail.scanned_body import Node
from twistedmail_mta.mail.transfer_decoding import decoder

MOST_HEADER: Final = 16 * 1024
"""Octets of a part's header that are read."""
BLOCK: Final = 64 * 1024
"""Octets that are looked at, and decoded, at once: other threads get their turn in between."""

_NAMES: Final = {b"filename", b"name"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part without parts in it.

    Attributes:
        type: such as "application/gzip", in lower case.
        name: of the file, as far as one is named; may be empty.
        content: what was encoded.
    """

    type: str
    name: str
    content: bytes


def attachments(header: bytes, body: bytes) -> Iterator[Attachment]:
    """Yield the parts of a message in their order, each decoded when it is asked for.

    A message that isn't multipart is one part.  What is in messages inside this one is yielded too.

    Args:
        header: the header block.
        body: what follows it.
    """
    scanner = BodyScanner(header)
    for begin in range(0, len(body), BLOCK):
        scanner.add(body[begin : begin + BLOCK])
    message = scanner.finish().message
    for node in _leaves(message):
        fields = header if node is message else body[node.header : min(node.begin, node.header + MOST_HEADER)]
        kind, name = _described(Header(fields))
        yield Attachment(kind, name, _decoded(node, body))


def _decoded(node: Node, body: bytes) -> bytes:
    whole = decoder(node.content.encoding)
    places = range(node.begin, node.end, BLOCK)
    return b"".join([whole.decode(body[place : min(place + BLOCK, node.end)]) for place in places]) + whole.end()


def _leaves(message: Node) -> Iterator[Node]:
    waiting = [message]
    while waiting:
        node = waiting.pop()
        if node.content.nesting is Nesting.LEAF:
            yield node
        waiting.extend(reversed(node.children))


def _described(header: Header) -> tuple[str, str]:
    value = header.get(b"Content-Type")
    kind = TEXT_PLAIN if value is None else content_type(unfolded(value))
    where = disposition(unfolded(header.get(b"Content-Disposition") or b""))
    parameters = (*(where[1] if where is not None else ()), *kind.parameters)
    name = next((_name(key, value) for key, value in parameters if key.lower().rstrip(b"*") in _NAMES), "")
    return f"{_text(kind.type)}/{_text(kind.subtype)}".lower(), name


def _name(key: bytes, value: bytes) -> str:
    """Return a file name, be it in the form for other charsets (RFC 2231 section 4)."""
    if not key.endswith(b"*"):
        return decoded_field(value)
    charset, _, rest = value.partition(b"'")
    return decoded_text(charset, unquote_to_bytes(rest.partition(b"'")[2] or value))


def _text(octets: bytes) -> str:
    return octets.decode("ascii", "replace")
