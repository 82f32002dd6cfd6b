"""Tag lists, `a=1; b=2`: the form of signatures and of keys (RFC 6376 section 3.2)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from typing import Final

MOST_OCTETS: Final = 65536
"""Of a list; who signs a hundred fields with a key of 4096 bits needs 4 KB."""
MOST_TAGS: Final = 100

_FWS: Final = rb"[ \t\r\n]*+"
_TAG: Final = re.compile(rb"%s([A-Za-z][A-Za-z0-9_]*+)%s=([^;]*+)" % (_FWS, _FWS))
_BLANK: Final = b" \t\r\n"
_VALUE: Final = re.compile(rb"[!-:<-~\x80-\xff \t\r\n]*+")
_WHITE: Final = re.compile(rb"[ \t\r\n]++")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*+={0,2}")


class TagError(ValueError):
    """It is no tag list; the text says why."""


def parse_tags(text: bytes) -> Mapping[bytes, bytes]:
    """Return the values by tag, in the order of the list, without white space at both ends.

    Octets above 127 may stand in values: those of internationalized mail
    are UTF-8 (RFC 8616 section 3).

    Raises:
        TagError: it is no tag list, a tag stands there twice, or it is longer than any of use.
    """
    if len(text) > MOST_OCTETS:
        raise TagError("too long")
    specs = text.split(b";", MOST_TAGS + 1)
    if len(specs) > MOST_TAGS + 1:
        raise TagError("too many tags")
    if not specs[-1].strip(_BLANK):
        specs.pop()
    tags: dict[bytes, bytes] = {}
    for spec in specs:
        name, value = _tag(spec)
        if name in tags:
            raise TagError(f"tag {name.decode()} twice")
        tags[name] = value
    return tags


def _tag(spec: bytes) -> tuple[bytes, bytes]:
    found = _TAG.fullmatch(spec)
    if found is None:
        raise TagError("no tag where one should be")
    value = found[2].strip(_BLANK)
    if _VALUE.fullmatch(value) is None:
        raise TagError(f"control character in tag {found[1].decode()}")
    return found[1], value


def parts_of(value: bytes) -> tuple[bytes, ...]:
    """Return what colons separate, without the white space around."""
    return tuple(part.strip(_BLANK) for part in value.split(b":"))


def without_white(value: bytes) -> bytes:
    """Return a value without the white space that is allowed anywhere in base64 and in numbers."""
    return _WHITE.sub(b"", value)


def from_base64(value: bytes) -> bytes:
    """Decode base64, folded anywhere (RFC 6376 section 3.5, b=).

    Raises:
        TagError: it is no base64.
    """
    packed = without_white(value)
    if _BASE64.fullmatch(packed) is None:
        raise TagError("no base64")
    try:
        return binascii.a2b_base64(packed, strict_mode=True)
    except binascii.Error as error:
        raise TagError("no base64") from error
