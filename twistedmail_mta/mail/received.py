"""The trace field that this host adds to every message it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from twistedmail_mta.model import Address

_UNSAFE = re.compile(r"[^A-Za-z0-9._:\[\]\u00a1-\u1fff\u2070-\ud7ff\uf900-\U0010ffff-]|\s")
_UNSAFE_COMMENT = re.compile(r"[^A-Za-z0-9._:/ -]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Trace:
    """What a trace field tells of how a message came in.

    Attributes:
        helo: what the client called itself, as it said it.
        peer: the client's address; a host without one, such as a local
            program, is told by its name alone.
        peer_name: its verified host name; empty when unknown.
        host: this host's name.
        transmission: the transmission type, see `transmission_type`.
        tls: version and cipher of the connection; empty in clear.
        hide_client: leave out name and address of the client: it is a person
            at home, who logged in.
    """

    helo: str
    peer: str
    host: str
    transmission: str
    peer_name: str = ""
    tls: str = ""
    hide_client: bool = False


def transmission_type(*, extended: bool, tls: bool, authenticated: bool, utf8: bool, lmtp: bool = False) -> str:
    """Return the name behind "with" (RFC 3848 section 1, RFC 6531 section 4.3).

    Args:
        extended: the client said EHLO.
        tls: the connection is encrypted.
        authenticated: the client logged in.
        utf8: the message was sent with SMTPUTF8.
        lmtp: LMTP was spoken.
    """
    if lmtp:
        return "UTF8" * utf8 + "LMTP" + "S" * tls + "A" * authenticated
    if not (extended or tls or authenticated or utf8):
        return "SMTP"
    return ("UTF8SMTP" if utf8 else "ESMTP") + "S" * tls + "A" * authenticated


def received_field(trace: Trace, queue_id: str, recipient: Address | None, date: str) -> bytes:
    """Return the Received field of RFC 5321 section 4.4, folded, with its CRLF.

    Whatever a client said of itself is made safe: it can't end the field, open
    a comment or hide what follows.

    Args:
        trace: how the message came in.
        queue_id: the id by which people know the message here.
        recipient: the only recipient; None when there are several, since none
            should learn of another (RFC 5321 section 7.6).
        date: now, as `date_text` writes it.
    """
    by = f"by {trace.host} with {trace.transmission}"
    if trace.tls:
        by += f" ({_UNSAFE_COMMENT.sub('?', trace.tls)})"
    lines = ["Received:" if trace.hide_client else f"Received: from {_client(trace)}", f"{by} id {queue_id}"]
    target = _target(recipient, trace.transmission)
    if target:
        lines.append(f"for <{target}>")
    if trace.hide_client:
        lines[:2] = [f"{lines[0]} {lines[1]}"]
    text = "\r\n\t".join(lines)
    return f"{text};\r\n\t{date}\r\n".encode()


def _client(trace: Trace) -> str:
    helo = _safe_name(trace.helo, ascii_only=not trace.transmission.startswith("UTF8")) or "unknown"
    if not trace.peer:
        return helo
    literal = f"[IPv6:{trace.peer}]" if ":" in trace.peer else f"[{trace.peer}]"
    name = _safe_name(trace.peer_name, ascii_only=True)
    return f"{helo} ({name} {literal})" if name else f"{helo} ({literal})"


def _safe_name(name: str, *, ascii_only: bool) -> str:
    name = _UNSAFE.sub("?", name[:_MAX_NAME])
    return name if name.isascii() or not ascii_only else name.encode("ascii", "replace").decode()


def _target(recipient: Address | None, transmission: str) -> str:
    """Return the address for the "for" clause; a non-ASCII one only where the field may hold UTF-8."""
    if recipient is None or not (recipient.is_ascii or transmission.startswith("UTF8")):
        return ""
    text = str(recipient)
    return "" if _CONTROL.search(text) else text
