"""What a client sees of awkward messages in a mailbox: items, sections, decoded parts and what searches find."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imap_answer import Body
from imap_client import Client, Literal

WHOLE = (
    *("BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "RFC822.HEADER"),
    *("BODY.PEEK[HEADER.FIELDS (Subject from X-Nothing)]", "BODY.PEEK[HEADER.FIELDS.NOT (subject To DATE)]"),
    *("BODY.PEEK[]<0.10>", "BODY.PEEK[HEADER]<5.20>", "BODY.PEEK[TEXT]<3.100>", "BODY.PEEK[TEXT]<10000000.5>"),
    *("BODY.PEEK[HEADER.FIELDS (Subject)]<2.7>", "BODY.PEEK[]<1.4294967295>"),
)
"""Sections that every message has."""
KEYS: tuple[tuple[str | Literal, ...], ...] = (
    *((key,) for key in ("ALL", "SEEN", "UNSEEN", "NEW", "OLD", "RECENT", "FLAGGED", "UNDELETED", "NOT DRAFT")),
    *((f"LARGER {size}",) for size in (0, 163, 10_000, 4_000_000_000)),
    *((f"SMALLER {size}",) for size in (0, 163, 164, 4_000_000_000)),
    *((f"{key} {day}",) for key in ("SENTBEFORE", "SENTON", "SENTSINCE") for day in ("21-Nov-2026", '"7-Nov-2026"')),
    *((f"{key} 1-Jan-2020",) for key in ("BEFORE", "ON", "SINCE")),
    *((f'{key} "alice"',) for key in ("FROM", "TO", "CC", "BCC", "SUBJECT", "BODY", "TEXT")),
    *((f'{key} "{text}"',) for key in ("FROM", "TO", "CC") for text in ("Alice B", "@", "sender.test", "bob@lmtp")),
    *((f'SUBJECT "{text}"',) for text in ("", "PLAIN", "folded once", "x=3", "Gr", "=?utf-8", "bell", "quoted")),
    *((f'HEADER {name} ""',) for name in ("subject", "Cc", "X-Nothing")),
    ('HEADER date "Nov"',),
    *((f'HEADER "{name}" "{text}"',) for name, text in (("Message-ID", "<"), ("content-type", "multipart"))),
    *((f'BODY "{text}"',) for text in ("FIRST", "second", "needle", "xxxxxxxxxx", "innermost", "--b", "<p>")),
    *((f'TEXT "{text}"',) for text in ("needle", "innermost", "content-type", "behind", "soft", "softbreak", "breakü")),
    ('OR SUBJECT "plain" BODY "first"',),
    ('NOT (FROM "alice" TEXT "first")',),
    ('UID 1:20,400:* (SUBJECT "a")',),
    ("5:10,1",),
    *(
        ("CHARSET UTF-8 ", f"{key} ", Literal(text.encode(), plus=True))
        for key in ("SUBJECT", "TEXT", "BODY", "CC", "FROM")
        for text in ("Grüße", "grüsse", "GRÜSSE", "Jörg", "Gr", "日本", "a b")
    ),
)  # fmt: skip
"""What is searched for."""
AT_ONCE = 50
"""Messages of an APPEND."""
DATE = ' "21-Nov-2026 12:00:00 +0000" '


_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


@dataclass
class Seen:
    """What a server told of its messages.

    Attributes:
        items: RFC822.SIZE, ENVELOPE, BODY and BODYSTRUCTURE of each message.
        sections: by message, the octets of each section that was asked for; None where there is none.
        decoded: by message and part number, size and octets; None where the server can't decode.
        found: by search key, the messages.
    """

    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    sections: dict[str, dict[str, bytes | None]] = field(default_factory=dict)
    decoded: dict[str, dict[str, tuple[int, bytes | None] | None]] = field(default_factory=dict)
    found: dict[str, frozenset[str]] = field(default_factory=dict)


def fill(client: Client, messages: Mapping[str, bytes]) -> None:
    """Append all messages to INBOX, many at once, and open it."""
    literals = [Literal(message, plus=True) for message in messages.values()]
    for begin in range(0, len(literals), AT_ONCE):
        pieces = [(DATE, literal) for literal in literals[begin : begin + AT_ONCE]]
        client.ok("APPEND INBOX", *(piece for pair in pieces for piece in pair))
    client.select(examine=True)


def look_at(client: Client, names: Iterable[str]) -> Seen:
    """Read the items of all messages, and search."""
    seen, order = Seen(), list(names)
    told = client.ok("FETCH 1:* (RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE)").fetched()
    seen.items = dict(zip(order, (told[number] for number in range(1, len(order) + 1)), strict=True))
    for key in KEYS:
        answer = client.ok("SEARCH ", *key)
        seen.found[key_name(key)] = frozenset(order[number - 1] for number in answer.searched())
    return seen


def key_name(key: tuple[str | Literal, ...]) -> str:
    """Return how a key is called."""
    return "".join(part if isinstance(part, str) else part.octets.decode() for part in key)


def look_into(client: Client, seen: Seen, number: int, name: str, body: Body, *, careful: bool) -> None:
    """Read all sections of a message whose structure is as told, and its decoded parts.

    Args:
        client: has the mailbox open.
        seen: where to note them.
        number: the message's.
        name: what it is called.
        body: its structure.
        careful: don't ask for the decoding of what can't be decoded: Dovecot hangs up.
    """
    parts = list(parts_of(body))
    wanted = [*WHOLE, *(section for part, inside in parts for section in _sections(part, inside))]
    answers: dict[str, Any] = {}
    for begin in range(0, len(wanted), 300):
        answers |= client.ok(f"FETCH {number} ({' '.join(wanted[begin : begin + 300])})").fetched()[number]
    seen.sections[name] = {item: value for item, value in answers.items() if item not in ("FLAGS", "UID")}
    seen.decoded[name] = {}
    for part, inside in parts[:40]:
        if not inside.children and not (
            careful and _is_broken(answers[f"BODY[{part}.MIME]"], answers[f"BODY[{part}]"])
        ):
            answer = client.command(f"FETCH {number} (BINARY.SIZE[{part}] BINARY.PEEK[{part}])")
            told = answer.fetched().get(number, {})
            size, octets = told.get(f"BINARY.SIZE[{part}]"), told.get(f"BINARY[{part}]")
            assert answer.ok == (size is not None)
            seen.decoded[name][part] = None if size is None else (size, octets)


def _sections(part: str, inside: Body) -> Iterator[str]:
    yield from (f"BODY.PEEK[{part}]", f"BODY.PEEK[{part}.MIME]", f"BODY.PEEK[{part}.9.9]", f"BODY.PEEK[{part}]<2.5>")
    if inside.kind == "message/rfc822":
        yield from (f"BODY.PEEK[{part}.{text}]" for text in ("HEADER", "TEXT", "HEADER.FIELDS (SUBJECT)"))


def _is_broken(fields: bytes | None, octets: bytes | None) -> bool:
    """Return whether this claims to be base64 and isn't, whatever BODYSTRUCTURE says."""
    text = (octets or b"").replace(b"\r\n", b"")
    return b"base64" in (fields or b"").lower() and not _BASE64.fullmatch(text)


def parts_of(body: Body, prefix: str = "") -> Iterator[tuple[str, Body]]:
    """Yield every part with its number (RFC 9051 section 6.4.5.1)."""
    children = body.children if body.kind.startswith("multipart/") else (body,)
    for place, part in enumerate(children, 1):
        number = f"{prefix}{place}"
        yield number, part
        if part.kind == "message/rfc822":
            yield from parts_of(part.children[0], f"{number}.")
        elif part.children:
            yield from parts_of(part, f"{number}.")
