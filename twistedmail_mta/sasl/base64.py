"""Base64 as it stands in the lines of a SASL exchange: strict (RFC 4648 section 3.3)."""

from __future__ import annotations

import re
from binascii import a2b_base64

# Python's own strict mode overlooks excess padding.
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def decode_base64(text: bytes) -> bytes | None:
    """Return what `text` stands for; None when it isn't base64."""
    return None if _BASE64.fullmatch(text) is None else a2b_base64(text)
