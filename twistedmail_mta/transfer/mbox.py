"""Reads an mbox: mboxrd and mboxo, and Content-Length where it proves right (mboxcl, mboxcl2)."""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from mmap import ACCESS_READ, mmap
from typing import Final

from twistedmail_mta.mail.header import Header
from twistedmail_mta.mailbox.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from twistedmail_mta.transfer.dovecot import uidl_of
from twistedmail_mta.transfer.foreign import BLOCK, Folder, Found, with_crlf
from twistedmail_mta.transfer.tree import Directory

_FROM: Final = re.compile(
    rb"(?:\A|\n\r?\n)From [^\n]*?\b([A-Z][a-z]{2} [ \d]\d \d\d:\d\d(?::\d\d)?)(?: [+-]?\w{1,5})? (\d{4})\b[^\n]{0,12}\n"
)
"""What begins a message: a line behind an empty one, with a date in it."""
_PEEK: Final = 1 << 20
"""Octets of a message in which its header has to end."""
_EMPTY_LINE: Final = re.compile(rb"(?:\A|\n)\r?\n")
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_UNQUOTED: Final = re.compile(rb"\nFrom ")
_FLAGS: Final = (
    (b"Status", b"R", SEEN),
    *(
        (b"X-Status", letter, bit)
        for letter, bit in ((b"A", ANSWERED), (b"F", FLAGGED), (b"D", DELETED), (b"T", DRAFT))
    ),
)
KEPT_BY_SERVERS: Final = (b"status", b"x-status", b"x-keywords", b"x-uid", b"x-imap", b"x-imapbase", b"content-length")
"""Fields that say what became of a message where it was: they are no part of it."""
_INTERNAL: Final = b"DON'T DELETE THIS MESSAGE"


@dataclass(frozen=True, slots=True)
class _Span:
    """A message in an mbox.

    Attributes:
        begin: where its first line begins, behind the From line.
        body: where its body begins.
        end: where the empty line before the next From line begins.
        quotes: lines that begin with "From " have a ">" before them.
        date: that of the From line, in seconds since the epoch.
    """

    begin: int
    body: int
    end: int
    quotes: bool
    date: int


def folder(where: Directory, file_name: str, name: str, uidl_format: str | None) -> Folder:
    """Read an mbox as a folder; a message is known by a hash of its octets, and how often they came before.

    Args:
        where: the directory that the file is in.
        file_name: its name.
        name: of the folder.
        uidl_format: how POP3 called the messages (`dovecot.uidl_of`); None: it isn't to be kept.

    Raises:
        OSError: it can't be read.
        ValueError: it is no mbox.
    """
    with where.file(file_name) as file:
        if not os.fstat(file.fileno()).st_size:
            return Folder(name, (), 0)
        content = mmap(file.fileno(), 0, access=ACCESS_READ)
    spans = _spans(content)
    try:
        first = _header(content, next(spans))
    except StopIteration:
        raise ValueError(f"{where.path / file_name} is no mbox: it doesn't begin with a From line") from None
    count = sum(1 for _ in spans) + 1 - _is_internal(first)
    uid_validity, uid_last = _base(first)
    messages = _messages(content, uid_validity, uidl_format)
    return Folder(name, messages, count, uid_validity, uid_last + 1)


def _messages(content: mmap, uid_validity: int | None, uidl_format: str | None) -> Iterator[Found]:
    met: dict[bytes, int] = {}
    last = 0
    for span in _spans(content):
        header = _header(content, span)
        if span.begin < _PEEK and _is_internal(header):
            continue
        digest = _digest(content, span, header)
        met[digest] = met.get(digest, 0) + 1
        uid = _number(header, b"X-UID") if uid_validity is not None else None
        if uid is not None and uid <= last:
            uid = None
        last = uid or last
        uidl = uidl_of(uidl_format, uid, uid_validity, "") if uidl_format and uid and uid_validity else None
        yield Found(
            source=f"{digest.hex()}.{met[digest]}",
            read=partial(_read, content, span, header),
            internal_date=span.date,
            flags=_flags(header),
            keywords=frozenset(b" ".join(header.get_all(b"X-Keywords")).decode("utf-8", "replace").split()),
            uid=uid,
            uidl=uidl,
        )


def _spans(content: mmap) -> Iterator[_Span]:
    start = _FROM.match(content)
    while start is not None:
        begin = start.end()
        body = _body(content, begin)
        end = _end_by_length(content, begin, body)
        following = _FROM.search(content, begin - 1 if end is None else max(begin - 1, end - 2))
        trusted = end is not None
        if end is None:
            end = following.start() + 1 if following is not None else _last_end(content)
        end = max(begin, end)
        quotes = not trusted or _UNQUOTED.search(content, begin, end) is None
        yield _Span(begin, min(body, end), end, quotes, _date(start[1], start[2]))
        start = following


def _body(content: mmap, begin: int) -> int:
    found = _EMPTY_LINE.search(content, begin - 1, begin + _PEEK)
    return found.end() if found is not None else min(len(content), begin + _PEEK)


def _end_by_length(content: mmap, begin: int, body: int) -> int | None:
    """Return where Content-Length says that a message ends, if a From line or the end of the file follows."""
    length = _number(Header(_crlf(content[begin:body])), b"Content-Length")
    if length is None or body + length > len(content):
        return None
    end = body + length
    rest = content[end : end + 1000].lstrip(b"\r\n")
    return end if not rest or _FROM.match(rest) else None


def _last_end(content: mmap) -> int:
    """Return the end of the last message: without the empty line that ends the file."""
    for ending in (b"\n\r\n", b"\n\n"):
        if content[-len(ending) :] == ending:
            return len(content) - len(ending) + 1
    return len(content)


def _crlf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _header(content: mmap, span: _Span) -> Header:
    return Header(_crlf(content[span.begin : span.body]))


def _is_internal(header: Header) -> bool:
    """Return whether it is the first message that some servers keep for themselves."""
    return any(_INTERNAL in value for value in header.get_all(b"Subject"))


def _number(header: Header, name: bytes) -> int | None:
    value = next(iter(header.get_all(name)), b"").strip()
    return int(value) if value.isdigit() and len(value) < 16 else None


def _base(header: Header) -> tuple[int | None, int]:
    """Return the UIDVALIDITY and the last UID, if the first message says them."""
    for name in (b"X-IMAPbase", b"X-IMAP"):
        for value in header.get_all(name):
            words = value.split()
            if len(words) > 1 and words[0].isdigit() and words[1].isdigit() and 0 < int(words[0]) < 1 << 32:
                return int(words[0]), int(words[1])
    return None, 0


def _flags(header: Header) -> int:
    return sum(bit for name, letter, bit in _FLAGS if letter in b"".join(header.get_all(name)))


def _digest(content: mmap, span: _Span, header: Header) -> bytes:
    """Return what tells a message from all others, however its flags change."""
    digest = blake2b(header.stripped_of(*KEPT_BY_SERVERS).block, digest_size=16)
    for offset in range(span.body, span.end, BLOCK):
        digest.update(content[offset : min(offset + BLOCK, span.end)])
    return digest.digest()


def _read(content: mmap, span: _Span, header: Header) -> Iterator[bytes]:
    yield header.stripped_of(*KEPT_BY_SERVERS).block
    yield from with_crlf(_unquoted(content, span) if span.quotes else _blocks(content, span.body, span.end))


def _blocks(content: mmap, begin: int, end: int) -> Iterator[bytes]:
    while begin < end:
        yield content[begin : min(begin + BLOCK, end)]
        begin += BLOCK


def _unquoted(content: mmap, span: _Span) -> Iterator[bytes]:
    """Take away the ">" that was put before lines that begin with "From "."""
    begin = span.body
    while begin < span.end:
        stop = min(begin + BLOCK, span.end)
        line_end = content.rfind(b"\n", begin, stop) + 1 if stop < span.end else stop
        if not line_end:  # a line longer than a block
            line_end = content.find(b"\n", stop, span.end) + 1 or span.end
        yield _QUOTED.sub(rb"\1", content[begin:line_end])
        begin = line_end


def _date(day: bytes, year: bytes) -> int:
    """Return the time of a From line, which is in UTC as far as anybody knows; 0 when it is none."""
    text = f"{day.decode()} {year.decode()}"
    for form in ("%b %d %H:%M:%S %Y", "%b %d %H:%M %Y"):
        try:
            return calendar.timegm(time.strptime(text, form))
        except ValueError:
            continue
    return 0
