"""SORT and THREAD beside Dovecot's, over mail whose subjects, dates and references are in any order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

import pytest
from interop_imap import IMAP_SERVER, ImapMailbox, dovecot_mailbox

from twistedmail_mta.imap.in_turns import Turns
from twistedmail_mta.imap.search import Criterion
from twistedmail_mta.imap.sorting import sort, sort_keys
from twistedmail_mta.imap.thread_tree import thread_line
from twistedmail_mta.imap.threads import by_references, by_subject, with_references, without_references
from twistedmail_mta.mail.envelope import envelope
from twistedmail_mta.mail.header import split

T = TypeVar("T")
WORDS = ["apple", "Zebra", "ähre", "日本", "re:port", "[list]", "(fwd)"]
PREFIXES = ("Re: ", "Fwd: ", "[list] ", "Re[2]: ", "RE:", "[fwd: ", "")
RECIPIENTS = ("ann@x.test", "team: bob@x.test;", "Bob <BOB@x.test>, a@y.test")
CRITERIA = (
    "SUBJECT",
    "FROM",
    "TO",
    "CC",
    "DATE",
    "SIZE",
    "REVERSE SUBJECT",
    "SUBJECT REVERSE DATE",
    "FROM REVERSE SIZE",
)


class Both(NamedTuple):
    """The same messages in Dovecot's mailbox, and as they are."""

    mailbox: ImapMailbox
    messages: list[bytes]


def written(random: Random, ids: list[str]) -> bytes:
    """Return a message; what it refers to may be there or not, or itself."""
    own = random.choice(ids)
    fields = [f"Date: {random.randint(1, 28)} Nov 2026 {random.randint(0, 23):02}:{random.randint(0, 59):02}:00 "]
    fields[0] += random.choice(["+0000", "-0800", "+0130", "GMT", "EST"])
    fields.append(f"Message-ID: <{own}>" if random.random() < 0.9 else f'Message-ID: <"{own[:-7]}"@x.test>')
    if random.random() < 0.6:
        fields.append("References: " + " ".join(f"<{random.choice(ids)}>" for _ in range(random.randint(1, 5))))
    if random.random() < 0.4:
        others = " ".join(f"<{random.choice(ids)}>" for _ in range(2))
        fields.append(
            "In-Reply-To: " + random.choice([f"<{random.choice(ids)}>", f"Message of today {others}", "none"])
        )
    prefix = "".join(random.choice(PREFIXES) for _ in range(random.randint(0, 2)))
    words = " ".join(random.choice(WORDS) for _ in range(random.randint(0, 2)))
    if random.random() < 0.9:
        fields.append(f"Subject: {prefix}{words}{']' * ('[fwd:' in prefix)}{random.choice(['', ' (fwd)'])}")
    fields.append(f"From: {random.choice(['Ann', 'bob', 'Örg'])} <{random.choice(['ann', 'Bob', 'carl'])}@x.test>")
    fields += [f"{name}: {random.choice(RECIPIENTS)}" for name in ("To", "Cc") if random.random() < 0.7]
    return ("\r\n".join(random.sample(fields, len(fields))) + "\r\n\r\n" + "x" * random.randint(0, 30)).encode()


@pytest.fixture(scope="module", params=[(1, 5), (2, 10), (3, 40), (4, 300)], ids=lambda each: f"{each[1]} messages")
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    """Some messages, of a seed."""
    if not IMAP_SERVER.exists() or os.geteuid() != 0:
        pytest.skip("needs Dovecot's IMAP server, and root to give it a user")
    seed, count = request.param
    random = Random(seed)
    ids = [f"{number}@x.test" for number in range(count * 2 // 3)]
    messages = [written(random, ids) for _ in range(count)]
    with tempfile.TemporaryDirectory(prefix="mta-interop-") as root:
        Path(root).chmod(0o755)
        with dovecot_mailbox(Path(root), messages) as mailbox:
            yield Both(mailbox, messages)


@pytest.mark.parametrize("criteria", CRITERIA)
def test_sort(both: Both, criteria: str) -> None:
    parsed = parse(criteria)
    key_of = sort_keys(parsed)
    keys = [key_of(0, envelope(split(message)[0])) for message in both.messages]
    sizes = [len(message) for message in both.messages]

    indices = finished(sort(list(range(len(keys))), parsed, keys.__getitem__, sizes))

    assert [index + 1 for index in indices] == both.mailbox.sort(criteria)


@pytest.mark.parametrize("algorithm", ["ORDEREDSUBJECT", "REFERENCES"])
def test_thread(both: Both, algorithm: str) -> None:
    headers = [split(message)[0] for message in both.messages]
    if algorithm == "REFERENCES":
        work = by_references(enumerate((with_references(0, envelope(each), each) for each in headers), 1))
    else:
        work = by_subject(enumerate((without_references(0, envelope(each)) for each in headers), 1))

    threads = b"".join(thread_line(finished(work)))

    assert threads == b"* THREAD %b\r\n" % both.mailbox.thread(algorithm)


def parse(criteria: str) -> list[tuple[Criterion, bool]]:
    words = criteria.split()
    return [
        (Criterion(word), place > 0 and words[place - 1] == "REVERSE")
        for place, word in enumerate(words)
        if word != "REVERSE"
    ]


def finished(work: Turns[T]) -> T:
    """Return what comes of work in turns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
