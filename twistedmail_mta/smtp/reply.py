"""How a reply looks on the wire (RFC 5321 section 4.2, RFC 2034 section 4)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from twistedmail_mta.model import Reply

MAX_REPLY_LINE: Final = 512

_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


@lru_cache(maxsize=512)
def encode_reply(reply: Reply) -> bytes:
    """Return the reply as it is sent: one line or several, each ended by CRLF.

    Every line bears the code and, if there is one, the enhanced status.
    Lines over the 512 octets of RFC 5321 section 4.5.3.1.5 are continued on
    the next, a 334 aside: its text is one base64 token (RFC 4954 section 4).
    What isn't printable ASCII becomes "?", so no text can forge a reply.
    """
    status = f"{reply.status} " if reply.status else ""
    room = MAX_REPLY_LINE - len(f"{reply.code}-{status}\r\n")
    texts = reply.text.split("\n")
    if reply.code != 334:
        texts = [piece for text in texts for piece in _pieces(text, room)]
    lines = [f"{reply.code}-{status}{text}\r\n" for text in texts[:-1]]
    lines.append(f"{reply.code} {status}{texts[-1]}\r\n")
    return b"".join(_clean(line) for line in lines)


def _pieces(text: str, room: int) -> list[str]:
    return [text[start : start + room] for start in range(0, len(text), room)] or [""]


def _clean(line: str) -> bytes:
    return _CONTROLS.sub("?", line[:-2]).encode("ascii", "replace") + b"\r\n"
