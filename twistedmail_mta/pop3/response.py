"""What a POP3 server says to a command, and how that looks on the wire (RFC 1939 section 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Reply

MAX_RESPONSE: Final = 512
"""Octets of a response's first line (RFC 2449 section 4)."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Response:
    """A status line.

    Attributes:
        ok: "+OK", not "-ERR".
        text: in English; the key under which a language has its own text.
        values: what goes into the text, in the manner of `str.format`; without
            any, the text stays as it is.
        code: the response code without its brackets (RFC 2449 section 8), or empty.
    """

    ok: bool
    text: str
    values: tuple[int | str, ...] = ()
    code: str = ""


def encode_response(response: Response, texts: Mapping[str, str], tag: str = "") -> bytes:
    """Return the line as it is sent.

    No text can forge a line: controls become "?".

    Args:
        response: what to say.
        texts: the language spoken, by the English texts; what it lacks is said in English.
        tag: a word that goes before the text, as the answer to LANG has it (RFC 6856 section 3.2).
    """
    text = texts.get(response.text, response.text)
    if response.values:
        text = text.format(*response.values)
    if tag:
        text = f"{tag} {text}"
    if response.code:
        text = f"[{response.code}] {text}"
    line = f"+OK {text}" if response.ok else f"-ERR {text}"
    if not line.isprintable():
        line = _CONTROLS.sub("?", line)
    octets = line.encode("utf-8", "replace")
    if len(octets) > MAX_RESPONSE - 2:  # no character is cut in two
        octets = octets[: MAX_RESPONSE - 2].decode("utf-8", "ignore").encode()
    return octets + b"\r\n"


def refusal(reply: Reply) -> Response:
    """Return a refusal that was said as an SMTP reply.

    What may work later is [SYS/TEMP], wrong credentials are [AUTH] (RFC 3206
    section 4); a malformed exchange has no code.
    """
    code = "SYS/TEMP" if not reply.is_permanent else "AUTH" if reply.status.startswith("5.7.") else ""
    return Response(ok=False, text=reply.text.replace("\n", " "), code=code)
