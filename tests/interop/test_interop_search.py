"""SEARCH beside Dovecot's, over messages that readers don't agree about; each difference has its reason."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import awkward_messages
import interop_searched
import pytest
from interop_imap import IMAP_SERVER, ImapMailbox, dovecot_mailbox

from twistedmail_mta.imap.command import Command, read_command
from twistedmail_mta.imap.reader import CommandReader, Complete
from twistedmail_mta.imap.search import Search
from twistedmail_mta.imap.search_key import Contains, Key, Larger, Smaller
from twistedmail_mta.imap.search_rows import Need, ask, need
from twistedmail_mta.imap.search_texts import TextSearch
from twistedmail_mta.imap.sieve import Sieve, plan
from twistedmail_mta.mail.header import split
from twistedmail_mta.mail.structure import structure

MESSAGES = {**interop_searched.MESSAGES, **dict(awkward_messages.messages())}
NAMES = list(MESSAGES)
PIECE = re.compile(r'"[^"]*"|[()]|[^ ()"]+')


class Reason(NamedTuple):
    """Why messages are found by one and not by the other: where both expressions match."""

    text: str
    keys: str
    names: str


REASONS = (
    Reason(
        "octets that aren't UTF-8 are Windows-1252",
        "BODY|TEXT|SUBJECT|FROM",
        ".*(latin-1|wrong utf-8)|address .J.*rg.*",
    ),
    Reason("octets that aren't UTF-8 are Windows-1252", "BODY ö", "encoding .*(?i:base64).*"),
    Reason("what can't be decoded is text as it came", "BODY|TEXT|.*BODY (o|hello)", "unknown encoding"),
    Reason("what can't be decoded is text as it came", ".*BODY (o|text)", "encoding .*"),
    Reason("headers count whatever the encoding says", "TEXT content-type", "encoding .*"),
    Reason("what isn't base64 is passed over (RFC 2045 section 6.8)", "BODY|TEXT", "broken base64"),
    Reason("a text that begins with no field is body", ".*BODY", "no header|whole text first"),
    Reason("a type that can't be read is text/plain (RFC 2045 section 5.2)", ".*BODY (o|text)", "type .*"),
    Reason("a multipart without a part shows its text as one", ".*BODY (o|text)", "boundary .*|body .*|.*multipart.*"),
    Reason("of repeated fields the first counts", "BODY text", "header two (encodings|types)"),
    Reason("of repeated fields the first counts (RFC 9051 section 7.5.2)", "SUBJECT world", "subject twice"),
    Reason("words in a charset that nobody knows are UTF-8", ".*SUBJECT|TEXT|HEADER", "subject unknown charset"),
    Reason("the language isn't the charset's (RFC 2231 section 5)", "SUBJECT|TEXT", "subject with a language"),
    Reason("a letter cut in two is one", "SUBJECT|TEXT", "subject split letter"),
    Reason("blanks are kept as they were written", 'SUBJECT "hello world"', "subject folded wide"),
    Reason("addresses are looked for as they were written", "FROM|TO", "address .*|to folded"),
    Reason("without MIME nothing is encoded (RFC 2045 section 4)", "BODY text", "header only an encoding"),
    Reason("no Date is before or after any (RFC 9051 section 6.4.4)", "SENTBEFORE|NOT SENTBEFORE", ".*"),
    Reason("a time that isn't valid is none (RFC 5256 section 2.2)", "SENT(ON|SINCE)", "date .*"),
)


@pytest.fixture(scope="module")
def mailbox() -> Iterator[ImapMailbox]:
    """Dovecot's mailbox with every message."""
    if not IMAP_SERVER.exists() or os.geteuid() != 0:
        pytest.skip("needs Dovecot's IMAP server, and root to give it a user")
    with tempfile.TemporaryDirectory(prefix="mta-interop-") as root:
        Path(root).chmod(0o755)
        with dovecot_mailbox(Path(root), MESSAGES.values()) as mailbox:
            yield mailbox


@pytest.mark.parametrize("keys", interop_searched.KEYS)
def test_search(mailbox: ImapMailbox, keys: str) -> None:
    """What only one of both finds has a reason."""
    octets = as_literals(keys)

    differences = set(mailbox.search(octets)) ^ set(ours(octets))

    assert [NAMES[number - 1] for number in sorted(differences) if reason(keys, NAMES[number - 1]) is None] == []


def test_reasons(mailbox: ImapMailbox) -> None:
    """Each reason is one of a difference."""
    needed = set()
    for keys in interop_searched.KEYS:
        octets = as_literals(keys)
        for number in set(mailbox.search(octets)) ^ set(ours(octets)):
            needed.add(reason(keys, NAMES[number - 1]))

    assert set(REASONS) <= needed


def reason(keys: str, name: str) -> Reason | None:
    return next(
        (each for each in REASONS if re.match(f"(?:{each.keys})", keys) and re.fullmatch(each.names, name)), None
    )


def as_literals(keys: str) -> bytes:
    """Return keys as octets, with literals where a string isn't ASCII."""
    words = []
    for piece in PIECE.findall(keys):
        octets = piece.strip('"').encode()
        words.append(piece.encode() if octets.isascii() else b"{%d+}\r\n%b" % (len(octets), octets))
    return b" ".join(words).replace(b"( ", b"(").replace(b" )", b")")


def ours(octets: bytes) -> list[int]:
    """Return the numbers of the messages that we find."""
    search = plan(key_of(octets))
    sieve = Sieve(search, len(MESSAGES))
    sieve.know({place: mask_of_key(key) for place, key in enumerate(search.leaves)})
    return [number for number, found in enumerate(sieve.found, 1) if found]


def key_of(octets: bytes) -> Key:
    reader = CommandReader()
    reader.receive(b"a SEARCH " + octets + b"\r\n")
    complete = reader.next_event()
    assert isinstance(complete, Complete)
    command = read_command(complete.parts)
    assert isinstance(command, Command)
    assert isinstance(command.action, Search)
    return command.action.key


def mask_of_key(key: Key) -> bytes:
    """Return which messages a key finds."""
    match key:
        case Larger(size):
            return bytes(len(message) > size for message in MESSAGES.values())
        case Smaller(size):
            return bytes(len(message) < size for message in MESSAGES.values())
        case Contains() if need(key) is Need.BODY:
            return bytes(in_text(key, message) for message in MESSAGES.values())
    if need(key) is Need.HEAD:
        return ask(key)([split(message)[0] for message in MESSAGES.values()])
    return ask(key)([structure(*split(message)).envelope for message in MESSAGES.values()])


def in_text(key: Contains, message: bytes) -> bool:
    header, body = split(message)
    search = TextSearch([key], header, structure(header, body).parts, len(body))
    search.look(body, 0)
    search.end()
    return search.answers[0]
