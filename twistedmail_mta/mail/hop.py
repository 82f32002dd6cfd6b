"""One Received field of whatever program, read tolerantly (RFC 5321 section 4.4; PURE).

Programs write them as they like: comments hold addresses, names and TLS in
many forms, and some fields have no `from` or no clause at all.  What can't be
understood is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.mail.field_value import behind_comment, unfolded
from twistedmail_mta.mail.sent_date import sent_date

LONGEST: Final = 4000
"""Octets of a field that are looked at."""

_PIECE: Final = re.compile(rb'[ \t\r\n]++|"(?:[^"\\]|\\.)*+"|[^ \t\r\n("]++|[("]')
_CLAUSES: Final = frozenset({"from", "by", "via", "with", "id", "for"})
_ADDRESS: Final = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f:.]{3,45})(?:%[\w.]+)?\]", re.IGNORECASE)
_BARE: Final = re.compile(
    r"(?<![\w.:])([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w.:])"
)
_HELO: Final = re.compile(r"\b(?:helo|ehlo)[= ]([^\s()]{1,255})", re.IGNORECASE)
_VERSION: Final = re.compile(r"\bTLS ?v?(1)[._]?([0-3])?(?![0-9])|\bSSLv([23])\b", re.IGNORECASE)
_SUITE: Final = re.compile(
    r"\bcipher[= ]([A-Za-z0-9_-]{3,60})|\b(TLS_[A-Z0-9_]{5,60})\b|\b((?:ECDHE|DHE|AES|RSA)[A-Z0-9_]*-[A-Z0-9_-]{5,60})",
    re.IGNORECASE,
)
_SECURE: Final = re.compile(r"(?:utf8)?(?:esmtp|smtp|lmtp)sa?|asmtps|https|smtps", re.IGNORECASE)
_PROGRAMS: Final = re.compile(
    r"\b(Postfix|Exim [0-9.]+|Sendmail|qmail|Dovecot|Exchange|Microsoft SMTP Server|OpenSMTPD|CommuniGate Pro|Haraka|"
    r"Courier|fetchmail-[0-9.]+|amavisd-new|Zimbra|PowerMTA|Halon|MDaemon|hMailServer|Cyrus)\b"
)
_NUMBERED: Final = re.compile(r"\((8\.\d{1,2}\.\d{1,2}(?:\.\d)?)/")
"""What Sendmail says of itself: its own version and that of its configuration."""


@dataclass(frozen=True, slots=True)
class Hop:
    """What a host says of a message that it took.

    Attributes:
        sender: who it was from: a verified name, else what the client called itself; empty if it isn't said.
        address: the client's IP address; empty if it isn't said.
        helo: what the client called itself, where that is another name.
        host: who took it.
        protocol: such as "ESMTPS"; what stands behind "with".
        id: by which the host knows the message.
        recipient: for whom.
        tls: version and suite as far as they are said, "yes" if only that; empty in clear, or if it isn't said.
        program: that took it, if it says so.
        at: when, in seconds since the epoch; None if that can't be read.
    """

    sender: str = ""
    address: str = ""
    helo: str = ""
    host: str = ""
    protocol: str = ""
    id: str = ""
    recipient: str = ""
    tls: str = ""
    program: str = ""
    at: int | None = None


@dataclass(slots=True)
class _Clause:
    """A clause with the words and the comments behind its name."""

    words: list[str]
    comments: list[str]

    @property
    def first(self) -> str:
        return self.words[0] if self.words else ""


def read_hop(value: bytes) -> Hop:
    """Return what a Received field says."""
    line = unfolded(value)[:LONGEST].strip()
    text, date = _parted(line)
    clauses = _clauses(text)
    source, taker = clauses.get("from", _Clause([], [])), clauses.get("by", _Clause([], []))
    said = text.decode("utf-8", "replace")
    protocol = _protocol(clauses.get("with"))
    address = _address(source)
    sender, helo = _names(source, address)
    found = sent_date(date) if date else None
    return Hop(
        sender=sender,
        address=address,
        helo=helo,
        host=taker.first.rstrip(".;"),
        protocol=protocol,
        id=clauses["id"].first.strip("<>;") if "id" in clauses else "",
        recipient=clauses["for"].first.strip("<>;") if "for" in clauses else "",
        tls=_tls(said, protocol),
        program=_program(clauses),
        at=None if found is None else found.at,
    )


def _parted(line: bytes) -> tuple[bytes, bytes]:
    """Return what stands before the date, and the date: behind the last semicolon that is in no comment."""
    end = -1
    for start, piece in _pieces(line):
        if not piece.startswith((b"(", b'"')) and (found := piece.rfind(b";")) >= 0:
            end = start + found
    return (line, b"") if end < 0 else (line[:end], line[end + 1 :])


def _pieces(line: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield words, quoted strings and whole comments, and where each begins; blanks are left out."""
    position = 0
    while (found := _PIECE.match(line, position)) is not None:
        end = found.end()
        if found[0] == b"(":
            end = behind_comment(line, position) or len(line)
        if found[0][0] not in b" \t\r\n":
            yield position, line[position:end]
        position = end


def _clauses(text: bytes) -> dict[str, _Clause]:
    """Return the clauses by their names, what stands before the first under none; of one that comes twice the first."""
    clauses: dict[str, _Clause] = {}
    now = clauses[""] = _Clause([], [])
    for _, piece in _pieces(text):
        word = piece.decode("utf-8", "replace")
        if word.startswith("("):
            now.comments.append(word[1:].removesuffix(")"))
        elif (name := word.lower()) in _CLAUSES and name not in clauses:
            now = clauses[name] = _Clause([], [])
        else:
            now.words.append(word)
    return clauses


def _address(source: _Clause) -> str:
    """Return the client's address: in brackets, else bare in a comment as Exchange and qmail write it."""
    said = [*source.comments, *source.words]
    for pattern in (_ADDRESS, _BARE):
        for text in said:
            if (found := pattern.search(text)) is not None:
                return found[1].lower()
    return ""


def _names(source: _Clause, address: str) -> tuple[str, str]:
    """Return who the client is: a name that was looked up, else its own word; and that, if it is another one."""
    own = source.first.rstrip(";")
    if own.startswith("["):
        own = ""
    helo = next((found[1] for each in source.comments if (found := _HELO.search(each)) is not None), "")
    inside = next((_looked_up(each, address) for each in source.comments), "")
    if helo:  # Exim and qmail: what stands in front was looked up
        return (helo, "") if own in {"", "unknown"} else (own, helo if helo.lower() != own.lower() else "")
    if inside and inside.lower() != own.lower():
        return inside, own
    return own, ""


def _looked_up(comment: str, address: str) -> str:
    """Return the name in a comment such as "mail.example.net [192.0.2.1]"."""
    word = comment.split(" ", 1)[0].rstrip(".") if comment else ""
    return word if "." in word and address and word != address and not word.startswith("[") and "=" not in word else ""


def _protocol(clause: _Clause | None) -> str:
    if clause is None:
        return ""
    words = " ".join(clause.words)
    return words.partition(" tls ")[0].rstrip(";")[:60]


def _tls(text: str, protocol: str) -> str:
    version, suite = _VERSION.search(text), _SUITE.search(text)
    if version is None:
        return "yes" if _SECURE.fullmatch(protocol) else ""
    name = f"SSL {version[3]}" if version[3] else f"TLS {version[1]}.{version[2] or 0}"
    cipher = "" if suite is None else next(each for each in suite.groups() if each)
    return f"{name} {cipher}".strip()


def _program(clauses: Mapping[str, _Clause]) -> str:
    """Return the program that is named in a comment, or behind "with"; never in the name of a host."""
    words = clauses["with"].words if "with" in clauses else []
    text = " ".join([*(f"({comment})" for each in clauses.values() for comment in each.comments), *words])
    if (found := _PROGRAMS.search(text)) is not None:
        return found[1]
    numbered = _NUMBERED.search(text)
    return "" if numbered is None else f"Sendmail {numbered[1]}"
