"""A request without a body and its answer, in HTTP/1.1 (RFC 9112) (PURE)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(rb"([A-Z]{1,20}) ([!-~]{1,1024}) HTTP/1\.[01]")
_HOST: Final = re.compile(rb"host:[ \t]*([A-Za-z0-9._-]{1,255}?)\.?(?::[0-9]{0,5})?[ \t]*", re.IGNORECASE)
_PHRASES: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        method: as it was said.
        path: the target, with whatever belongs to it.
        host: the name that was meant, in lower case without port; empty where there is none, or more than one.
    """

    method: str
    path: str
    host: str


def read_request(octets: bytes) -> Request | None:
    """Read a request up to the empty line; None: it is none."""
    line, *fields = octets.partition(b"\r\n\r\n")[0].split(b"\r\n")
    asked = _LINE.fullmatch(line)
    if asked is None:
        return None
    hosts = [field for field in fields if field[:5].lower() == b"host:"]
    named = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    host = named[1].decode("ascii").lower() if named is not None else ""
    return Request(asked[1].decode("ascii"), asked[2].decode("ascii"), host)


def answer_with(request: Request | None, body: bytes | None, media_type: str) -> bytes:
    """Return the whole answer to a request.

    Args:
        request: None: what came was none.
        body: what is to be had there; None: nothing is.
        media_type: what that is.
    """
    if request is None:
        return _response(400, b"bad request\n")
    if body is None:
        return _response(404, b"not found\n", head_only=request.method == "HEAD")
    if request.method not in {"GET", "HEAD"}:
        return _response(405, b"only GET and HEAD\n", more="Allow: GET, HEAD\r\n")
    return _response(200, body, media_type, head_only=request.method == "HEAD")


def _response(
    status: int, body: bytes, media_type: str = "text/plain", *, head_only: bool = False, more: str = ""
) -> bytes:
    header = (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: {media_type}\r\nX-Content-Type-Options: nosniff\r\n"
        f"Content-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n"
    )
    return header.encode("ascii") + (b"" if head_only else body)
