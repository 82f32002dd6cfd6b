"""What the header of a part says of its content, worded for BODYSTRUCTURE."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from twistedmail_mta.mail.content_type import TEXT_PLAIN, ContentType, Parameter, content_type, disposition, languages
from twistedmail_mta.mail.content_type import token as first_token
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.imap_string import NIL, nstring, string, unfolded
from twistedmail_mta.mail.parts import Encoding, Nesting

MAX_BOUNDARY: Final = 80
"""Octets of a boundary that count; RFC 2046 section 5.1.1 allows 70."""

_TYPE, _ENCODING, _ID = b"content-type", b"content-transfer-encoding", b"content-id"
_DESCRIPTION, _MD5, _DISPOSITION = b"content-description", b"content-md5", b"content-disposition"
_LANGUAGE, _LOCATION, _VERSION = b"content-language", b"content-location", b"mime-version"
_NAMES: Final = (_TYPE, _ENCODING, _ID, _DESCRIPTION, _MD5, _DISPOSITION, _LANGUAGE, _LOCATION, _VERSION)

_ENCODINGS: Final = {
    b"7bit": Encoding.IDENTITY,
    b"8bit": Encoding.IDENTITY,
    b"binary": Encoding.IDENTITY,
    b"quoted-printable": Encoding.QUOTED_PRINTABLE,
    b"base64": Encoding.BASE64,
}
_RFC822: Final = ContentType(b"message", b"rfc822")
_NO_EXTENSION: Final = b" NIL NIL NIL NIL"


@dataclass(frozen=True, slots=True)
class Content:
    """What a part is.

    Attributes:
        nesting: what it is made of.
        encoding: how its body is encoded.
        is_text: it is of type text, whose lines are told.
        boundary: of a multipart; None when it has none, and so no parts.
        basic: the fields of BODYSTRUCTURE that stand before the size; the
            subtype alone of a multipart (RFC 9051 section 7.5.2).
        extension: all fields behind the size, of a multipart those behind
            the subtype; a space before each.
    """

    nesting: Nesting
    encoding: Encoding
    is_text: bool
    boundary: bytes | None
    basic: bytes
    extension: bytes


OPAQUE: Final = Content(
    Nesting.LEAF, Encoding.UNKNOWN, False, None, b'"application" "octet-stream" NIL NIL NIL "binary"', _NO_EXTENSION
)
"""A part that is over a limit: what is inside isn't looked at."""
PLAIN: Final = Content(
    Nesting.LEAF, Encoding.IDENTITY, True, None, b'"text" "plain" ("charset" "us-ascii") NIL NIL "7bit"', _NO_EXTENSION
)
"""A part that says nothing."""


def content_of(header: bytes, default: ContentType = TEXT_PLAIN, *, mime: bool = False) -> Content:
    """Return what the header of a part, or of a message, says.

    Args:
        header: all of it.
        default: the type when none is named: in a multipart/digest that is
            `MESSAGE` (RFC 2046 section 5.1.5).
        mime: its fields count even if neither MIME-Version nor Content-Type
            is there: it is a part of a multipart.
    """
    fields = Header(header).collect(_NAMES)
    if not (mime or _TYPE in fields or _VERSION in fields):
        return PLAIN
    said = {name: unfolded(values[0]) for name, values in fields.items()}
    kind = _content_type(said[_TYPE]) if _TYPE in said else default
    nesting = _nesting(kind)
    if nesting is Nesting.MULTIPART:
        return _multipart(kind, said)
    encoding = first_token(said.get(_ENCODING, b"")) or b"7bit"
    return Content(
        nesting,
        Encoding.IDENTITY if nesting is Nesting.MESSAGE else _ENCODINGS.get(encoding.lower(), Encoding.UNKNOWN),
        kind.type.lower() == b"text",
        None,
        b"%b %b %b %b %b %b"
        % (
            string(kind.type),
            string(kind.subtype),
            parameter_list(kind.parameters),
            nstring(said.get(_ID)),
            nstring(said.get(_DESCRIPTION)),
            string(encoding),
        ),
        b" %b%b" % (nstring(said.get(_MD5)), _extension(said)),
    )


def default_in(multipart: bytes) -> ContentType:
    """Return the type of parts that name none, in a multipart of this `basic`."""
    return _RFC822 if multipart.lower() == b'"digest"' else TEXT_PLAIN


def parameter_list(parameters: tuple[Parameter, ...]) -> bytes:
    """Return the parameters as body-fld-param (RFC 9051 section 9)."""
    if not parameters:
        return NIL
    return b"(%b)" % b" ".join([string(word) for parameter in parameters for word in parameter])


@lru_cache(maxsize=256)
def _content_type(value: bytes) -> ContentType:
    return content_type(value)


def _nesting(kind: ContentType) -> Nesting:
    family = kind.type.lower()
    if family == b"multipart":
        return Nesting.MULTIPART
    if family == b"message" and kind.subtype.lower() == b"rfc822":
        return Nesting.MESSAGE
    return Nesting.LEAF


def _multipart(kind: ContentType, said: dict[bytes, bytes]) -> Content:
    boundary = (kind.parameter(b"boundary") or b"").rstrip()[:MAX_BOUNDARY]
    return Content(
        Nesting.MULTIPART,
        Encoding.IDENTITY,
        False,
        boundary or None,
        string(kind.subtype),
        b" %b%b" % (parameter_list(kind.parameters), _extension(said)),
    )


def _extension(said: dict[bytes, bytes]) -> bytes:
    """Return the extension fields that every part has: disposition, language, location."""
    if _DISPOSITION not in said and _LANGUAGE not in said and _LOCATION not in said:
        return b" NIL NIL NIL"
    return b" %b %b %b" % (
        _disposition(said.get(_DISPOSITION, b"")),
        _languages(said.get(_LANGUAGE, b"")),
        nstring(said.get(_LOCATION)),
    )


def _disposition(value: bytes) -> bytes:
    found = disposition(value)
    return NIL if found is None else b"(%b %b)" % (string(found[0]), parameter_list(found[1]))


def _languages(value: bytes) -> bytes:
    tags = [string(tag) for tag in languages(value)]
    return NIL if not tags else b"(%b)" % b" ".join(tags)
