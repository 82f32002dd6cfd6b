"""Refusals of other parts, said as IMAP responses (RFC 5530 section 3)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.imap.response import Response, bad, no
from twistedmail_mta.model import Reply

_CODES: Final = {
    "2.2": b"OVERQUOTA",
    "2.3": b"OVERQUOTA",
    "3.4": b"TOOBIG",
    "7.8": b"AUTHENTICATIONFAILED",
}
"""By the end of the enhanced status code (RFC 3463 section 3)."""


def refusal(reply: Reply) -> Response:
    """Return a refusal that was said as an SMTP reply."""
    text = reply.text.replace("\n", " ")
    kind, _, detail = reply.status.partition(".")
    if detail.startswith("5."):
        return bad(text)  # the client said something that can't be understood
    code = _CODES.get(detail)
    if code is None:
        code = b"UNAVAILABLE" if kind == "4" else b"AUTHORIZATIONFAILED" if detail.startswith("7.") else b"CANNOT"
    return no(text, code)
