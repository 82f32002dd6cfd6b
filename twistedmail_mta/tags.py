"""Notes that plugins make on a message: names with values, few and short."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from twistedmail_mta.model import Tags

MOST: Final = 20
"""Tags of one message."""

DESPITE_TLS: Final = ("tls", "despite-failures")
"""Of a message that is delivered whatever is wrong with TLS, since it tells of just that (RFC 8460 section 3)."""

NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VALUE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{0,200}")
_PLAIN: Final = re.compile(r'[^\s"]+')


def is_tag(name: object, value: object) -> bool:
    """Return whether it can be noted: a name of letters, digits, `_.-`, up to 64; a value of up to 200 that print."""
    return isinstance(name, str) and isinstance(value, str) and bool(_NAME.fullmatch(name) and _VALUE.fullmatch(value))


def mapping_of(tags: Tags) -> Mapping[str, str]:
    """Return tags as plugins are told."""
    return MappingProxyType(dict(tags)) if tags else NO_TAGS


def packed(tags: Tags) -> str | None:
    """Return tags as they are kept, a JSON object; None where there are none."""
    return json.dumps(dict(tags)) if tags else None


def unpacked(text: str | None) -> Tags:
    """Return the tags that `packed` was given."""
    return () if text is None else tuple(json.loads(text).items())


def tags_text(tags: Tags) -> str:
    """Return tags as people read them: `score=7.1 list="the news"`."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in tags)


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
