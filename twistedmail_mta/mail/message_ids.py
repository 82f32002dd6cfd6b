"""Message-IDs in fields that may hold anything else beside them (RFC 5322 section 3.6.4, RFC 5256 section 3)."""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.mail.field_value import unfolded, unquoted

MAX_IDS: Final = 1000
"""Message-IDs of a field that count: the first and those at the end, nearest to the message."""

_ID: Final = re.compile(rb'<[ \t]*+("(?:[^"\\]|\\.)*+"|[^"<>@ \t]++)@([^<>@ \t]++)[ \t]*+>', re.DOTALL)


def message_ids(value: bytes) -> list[bytes]:
    """Return the Message-IDs in a field, without brackets and needless quotes: so equal ones are equal."""
    found = [_normal(match) for match in _ID.finditer(unfolded(value))]
    return found if len(found) <= MAX_IDS else found[:1] + found[1 - MAX_IDS :]


def first_message_id(value: bytes) -> bytes | None:
    """Return the first Message-ID in a field, as `message_ids` does."""
    found = _ID.search(unfolded(value))
    return None if found is None else _normal(found)


def _normal(found: re.Match[bytes]) -> bytes:
    local = found[1]
    return (unquoted(local[1:-1]) if local.startswith(b'"') else local) + b"@" + found[2]
