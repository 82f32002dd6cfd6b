"""What the header of a part says of its content, worded for BODYSTRUCTURE."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from twistedmail_mta.mail.content_type import Parameter, content_type, disposition, languages
from twistedmail_mta.mail.content_type import token as first_token
from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.imap_string import NIL, nstring, string
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
_TEXT_PLAIN: Final = b"text/plain"
_US_ASCII: Final = ((b"charset", b"us-ascii"),)
_MAX_CACHED: Final = 256
_MULTIPART_WORDS: Final = 20


class Content(NamedTuple):
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
        words: what it took to read: fields, parameters, more for a multipart.
    """

    nesting: Nesting
    encoding: Encoding
    is_text: bool
    boundary: bytes | None
    basic: bytes
    extension: bytes
    words: int = 0


OPAQUE: Final = Content(
    Nesting.LEAF,
    Encoding.IDENTITY,
    is_text=False,
    boundary=None,
    basic=b'"application" "octet-stream" NIL NIL NIL "binary"',
    extension=b" NIL NIL NIL NIL",
)
"""A part that is over a limit: what is inside isn't looked at, and is given as it came."""
PLAIN: Final = Content(
    Nesting.LEAF,
    Encoding.IDENTITY,
    is_text=True,
    boundary=None,
    basic=b'"text" "plain" ("charset" "us-ascii") NIL NIL "7bit"',
    extension=b" NIL NIL NIL NIL",
)
"""A part that says nothing (RFC 2045 section 5.2)."""


def content_of(header: bytes, default: bytes = _TEXT_PLAIN, *, mime: bool = False) -> Content:
    """Return what the header of a part, or of a message, says.

    Args:
        header: all of it.
        default: the Content-Type where none is named.
        mime: its fields count even if neither MIME-Version nor Content-Type
            is there: it is a part of a multipart.
    """
    return (_known_content if len(header) <= _MAX_CACHED else _content)(header, default, mime)


def _content(header: bytes, default: bytes, mime: bool) -> Content:
    fields = Header(header).collect(_NAMES)
    if not (mime or _TYPE in fields or _VERSION in fields):
        return PLAIN
    said = {name: unfolded(values[0]) for name, values in fields.items()}
    kind = _kind_of(said.get(_TYPE, default))
    extension, words = _extension(said)
    words += kind.words + len(fields)
    if kind.nesting is Nesting.MULTIPART:
        extension = b" " + kind.parameters + extension
        words += _MULTIPART_WORDS
        return Content(kind.nesting, Encoding.IDENTITY, False, kind.boundary, kind.type, extension, words)
    encoding = first_token(said.get(_ENCODING, b"")) or b"7bit"
    basic = (kind.type, kind.parameters, nstring(said.get(_ID)), nstring(said.get(_DESCRIPTION)), string(encoding))
    return Content(
        kind.nesting,
        Encoding.IDENTITY if kind.nesting is Nesting.MESSAGE else _ENCODINGS.get(encoding.lower(), Encoding.UNKNOWN),
        kind.is_text,
        None,
        b" ".join(basic),
        b" " + nstring(said.get(_MD5)) + extension,
        words,
    )


def default_in(multipart: Content) -> bytes:
    """Return the Content-Type of parts that name none (RFC 2046 section 5.1.5)."""
    return b"message/rfc822" if multipart.basic.lower() == b'"digest"' else _TEXT_PLAIN


_known_content = lru_cache(maxsize=1024)(_content)
"""Most parts say what others have said: their headers are short and made by few programs."""


class _Kind(NamedTuple):
    """What a Content-Type says: `type` holds type and subtype, of a multipart the subtype alone."""

    nesting: Nesting
    is_text: bool
    boundary: bytes | None
    type: bytes
    parameters: bytes
    words: int


def _kind_of(value: bytes) -> _Kind:
    return (_known_kind if len(value) <= _MAX_CACHED else _kind)(value)


def _kind(value: bytes) -> _Kind:
    kind = content_type(value)
    words = len(kind.parameters)
    family, subtype = kind.type.lower(), string(kind.subtype)
    if family == b"multipart":
        boundary = (kind.parameter(b"boundary") or b"").rstrip()[:MAX_BOUNDARY]
        return _Kind(Nesting.MULTIPART, False, boundary or None, subtype, parameter_list(kind.parameters), words)
    # message/global stays a leaf: to clients of IMAP4rev1 it is one, as it is to Dovecot's.
    is_message = family == b"message" and kind.subtype.lower() == b"rfc822"
    nesting = Nesting.MESSAGE if is_message else Nesting.LEAF
    is_text = family == b"text"
    charset = _US_ASCII if is_text and kind.parameter(b"charset") is None else ()
    parameters = parameter_list(kind.parameters + charset)
    return _Kind(nesting, is_text, None, string(kind.type) + b" " + subtype, parameters, words)


_known_kind = lru_cache(maxsize=1024)(_kind)


def parameter_list(parameters: tuple[Parameter, ...]) -> bytes:
    """Return the parameters as body-fld-param (RFC 9051 section 9)."""
    if not parameters:
        return NIL
    return b"(" + b" ".join([string(word) for parameter in parameters for word in parameter]) + b")"


def _extension(said: dict[bytes, bytes]) -> tuple[bytes, int]:
    """Return the extension fields that every part has, disposition, language, location; and what was read."""
    if _DISPOSITION not in said and _LANGUAGE not in said and _LOCATION not in said:
        return b" NIL NIL NIL", 0
    placed, words = NIL, 0
    found = disposition(said.get(_DISPOSITION, b""))
    if found is not None:
        placed, words = b"(" + string(found[0]) + b" " + parameter_list(found[1]) + b")", len(found[1])
    tags = languages(said.get(_LANGUAGE, b""))
    spoken = b"(" + b" ".join(map(string, tags)) + b")" if tags else NIL
    return b" " + placed + b" " + spoken + b" " + nstring(said.get(_LOCATION)), words + len(tags)
