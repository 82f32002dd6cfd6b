"""Finds the texts of a message that words can be put behind, and puts them there (PURE)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from twistedmail_mta.mail.content import OPAQUE
from twistedmail_mta.mail.content_type import TEXT_PLAIN, ContentType, content_type, disposition
from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.parts import Nesting
from twistedmail_mta.mail.scanned_body import Node
from twistedmail_mta.mail.structure import BodyScanner
from twistedmail_mta.policy.part_footing import Unfit, Words, footed_part

_SIGNED: Final = (b"dkim-signature", b"arc-message-signature", b"domainkey-signature", b"content-md5")
_ONCE: Final = (b"content-type", b"content-transfer-encoding", b"mime-version", b"content-disposition")
_TEXTS: Final = frozenset({"text/plain", "text/html"})
_CLOSED: Final = re.compile(
    r"multipart/(?:signed|encrypted|report|digest|form-data)|application/(?:x-)?pkcs7-\w+|application/pgp-\w+"
)
"""What is signed or encrypted as a whole (RFC 1847), or read by programs."""


def may_have_words(header: Header) -> bool:
    """Return whether words might be put behind a message, as far as its header tells."""
    try:
        name = _name(_kind_of(header))
    except Unfit:
        return False
    return (name in _TEXTS or name.startswith("multipart/")) and not _CLOSED.fullmatch(name)


def footed(header: Header, body: bytes, words: Words) -> bytes | None:
    """Return the body of a message with words behind its text; None if it can't have them without harm.

    That is the only part, if it is plain text or HTML; in multipart/alternative
    each such part; in multipart/mixed, and others, the first part that has one;
    in multipart/related the root.  Either all of these get their words, or none
    does.  All other octets stay what they are, and all parts where they are.
    """
    scanner = BodyScanner(header.block)
    scanner.add(body)
    message = scanner.finish().message
    try:
        return _footed(header, body, message, words)
    except Unfit:
        return None


def _footed(header: Header, body: bytes, message: Node, words: Words) -> bytes:
    whole = message.content.nesting is not Nesting.MULTIPART
    texts = list(_texts(message, header, body))
    if not texts:
        raise Unfit
    _demand_open(message, body)
    pieces: list[bytes] = []
    done = 0
    for node, part in texts:
        if node.begin == node.end and not whole:
            raise Unfit  # the empty line behind its header may be that before the boundary
        new = footed_part(_kind_of(part), _encoding(part), body[node.begin : node.end], words, inside=not whole)
        pieces += (body[done : node.begin], new)
        done = node.end
    result = b"".join((*pieces, body[done:]))
    if not whole:
        _demand_same_parts(header, message, result, [node for node, _ in texts], body)
    return result


def _texts(node: Node, header: Header, body: bytes) -> Iterator[tuple[Node, Header]]:
    """Yield the parts that are the text of a message, or of what is inside it, with their headers."""
    kind = _kind_of(header)
    name = _name(kind)
    if _CLOSED.fullmatch(name):
        raise Unfit
    if node.content.nesting is not Nesting.MULTIPART:
        if name in _TEXTS and not _is_attached(header):
            yield node, header
        return
    inside = [(child, _header_of(child, body)) for child in node.children]
    if name == "multipart/alternative":
        for child, part in inside:
            yield from _texts(child, part, body)
    elif name == "multipart/related":
        if kind.parameter(b"start") not in {None, (inside[0][1].get(b"content-id") or b"").strip()}:
            raise Unfit
        yield from _texts(*inside[0], body)
    else:
        yield from _first_texts(inside, body)


def _first_texts(inside: Sequence[tuple[Node, Header]], body: bytes) -> Iterator[tuple[Node, Header]]:
    for child, part in inside:
        found = list(_texts(child, part, body))
        if found:
            yield from found
            return


def _demand_open(node: Node, body: bytes) -> None:
    """See that nothing is signed or encrypted; a message inside another is an attachment, whatever it is.

    Raises:
        Unfit: something is.
    """
    for child in node.children if node.content.nesting is Nesting.MULTIPART else ():
        if child.content is OPAQUE or _CLOSED.fullmatch(_name(_kind_of(_header_of(child, body)))):
            raise Unfit
        _demand_open(child, body)


def _demand_same_parts(header: Header, before: Node, body: bytes, changed: Sequence[Node], old: bytes) -> None:
    """See that a reader finds the same parts: words could hold somebody's boundary.

    Raises:
        Unfit: it wouldn't.
    """
    scanner = BodyScanner(header.block)
    scanner.add(body)
    pairs = [(before, scanner.finish().message)]
    while pairs:
        one, other = pairs.pop()
        if one.content != other.content or len(one.children) != len(other.children):
            raise Unfit
        leaf = not one.children and not any(one is each for each in changed)
        if leaf and old[one.begin : one.end] != body[other.begin : other.end]:
            raise Unfit
        pairs += zip(one.children, other.children, strict=True)


def _header_of(node: Node, body: bytes) -> Header:
    if node.header == node.begin:
        raise Unfit  # it isn't there: something ends before it has begun
    return Header(body[node.header : node.begin])


def _kind_of(header: Header) -> ContentType:
    """Return what a part is; one that says so twice is read so by some, and so by others."""
    if any(map(header.has, _SIGNED)) or any(header.count(name, 2) > 1 for name in _ONCE):
        raise Unfit
    value = header.get(b"content-type")
    return TEXT_PLAIN if value is None else content_type(unfolded(value))


def _name(kind: ContentType) -> str:
    return f"{kind.type.decode('latin-1')}/{kind.subtype.decode('latin-1')}".lower()


def _encoding(header: Header) -> bytes:
    return (header.get(b"content-transfer-encoding") or b"7bit").strip().lower()


def _is_attached(header: Header) -> bool:
    found = disposition(unfolded(header.get(b"content-disposition") or b""))
    if found is None:
        return False
    return found[0].lower() != b"inline" or any(name.lower() == b"filename" for name, _ in found[1])
