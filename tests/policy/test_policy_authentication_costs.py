"""What strangers can make `authentication` do: questions, work on the reactor's thread, memory; all by counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from authentication_kit import BANK, EVIL_HOST, TEXT, chain_with, signed, surroundings
from dkim_made import rsa_record

from twistedmail_mta.dkim.verification import MOST_SIGNATURES
from twistedmail_mta.dmarc.tree import MOST_QUESTIONS
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.policy.authenticity import FEW, FEW_LINES, PIECE, SMALL, SMALL_HEADER, Examiner, Findings
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.spf.identity import Visit
from twistedmail_mta.testing.rig import Asked
from twistedmail_mta.testing.surroundings import Surroundings
from twistedmail_mta.testing.values import MemoryBody


class Threads:
    """Threads that do at once what they are given, and note it."""

    def __init__(self) -> None:
        self.called: list[str] = []

    async def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Do it."""
        self.called.append(function.__name__)
        return function(*arguments)


class WatchedBody:
    """A body of which one sees how it is read."""

    def __init__(self, octets: bytes) -> None:
        self._body = MemoryBody(octets)
        self.read_at_once: list[int] = []

    @property
    def size(self) -> int:
        """Return the number of octets."""
        return self._body.size

    async def read(self, offset: int, size: int) -> bytes:
        """Return octets."""
        piece = await self._body.read(offset, size)
        self.read_at_once.append(len(piece))
        return piece


def examined(
    text: bytes, around: Surroundings | None = None, host: str = EVIL_HOST, sender: str = "eve@evil.test"
) -> tuple[Findings, Threads, WatchedBody]:
    """Examine a message; return what was found, what threads did, and how the body was read."""
    around = around or surroundings()
    threads, (block, body) = Threads(), split(text)
    watched = WatchedBody(body)
    examiner = Examiner(around.names, around.clock, 10.0, threads)
    visit = Visit(host, "evil.test", "mail.example.org", around.now())
    asked = Asked(examiner.findings(visit, parse_address(sender), Header(block), watched))
    return asked.answer, threads, watched


def test_a_plain_message() -> None:
    """Needs no thread; nor does one without a signature, of which not even the body is read."""
    found, threads, body = examined(signed())
    assert found.dmarc.result == "pass"
    assert threads.called == []
    assert body.read_at_once == [7]

    _, threads, body = examined(TEXT)
    assert (threads.called, body.read_at_once) == ([], [])


@pytest.mark.parametrize(
    ("text", "called"),
    [
        (b"X: " + b"x" * SMALL_HEADER + b"\r\n" + TEXT, {"reading_of", "_judged"}),
        (b"X: 1\r\n" * FEW_LINES + TEXT, {"reading_of", "_judged"}),
        (signed(TEXT, *["evil.test"] * (FEW + 1)), {"_judged"}),
        (chain_with(TEXT, b"mx; none"), {"_judged"}),
        (signed(TEXT + b"x" * (SMALL + 1)), {"add", "finish"}),
    ],
)
def test_what_takes_long_is_done_on_threads(text: bytes, called: set[str]) -> None:
    """Large headers, many signatures, chains, bodies."""
    _, threads, _ = examined(text)

    assert set(threads.called) == called


def test_a_large_body() -> None:
    """It is read in pieces, each once, and each goes to a thread."""
    found, threads, body = examined(signed(TEXT + b"line of text\r\n" * 1_000_000))

    assert found.dmarc.result == "pass"
    assert max(body.read_at_once) == PIECE
    assert sum(body.read_at_once) == body.size
    assert threads.called == [*["add"] * len(body.read_at_once), "finish"]


def test_empty_lines_that_count_at_the_end() -> None:
    """What makes a million held lines count is hashed on a thread, too, though it is small."""
    lines = b"\r\n" * 1_000_000
    for end in (b"x\r\n", b"\r"):
        _, threads, body = examined(signed(TEXT + lines + end))

        assert len(body.read_at_once) > 1
        assert threads.called == [*["add"] * len(body.read_at_once), "finish"]


def test_a_large_body_without_signatures() -> None:
    """It is neither read nor hashed."""
    _, threads, body = examined(TEXT + b"x" * (SMALL + 1))

    assert (threads.called, body.read_at_once) == ([], [])


def test_a_hostile_message() -> None:
    """Hundreds of signatures, a chain and a deep author: each question once, and no more than the limits say."""
    around = surroundings()
    deep = ".".join("abcdefghijklmnopqrstuvwxyz") + f".{BANK}"
    signers = [f"{number}.{deep}" for number in range(100)]
    text = signed(TEXT.replace(b"@bank.test", f"@{deep}".encode()), *signers)
    for number in range(5):
        text = chain_with(text, b"mx; none", f"{number}.evil.test")

    found, _, _ = examined(text, around)

    asked = around.names.asked
    keys = [name for name in asked if "_domainkey" in name]
    policies = [name for name in asked if name.startswith("_dmarc.")]
    assert len(found.signatures) == MOST_SIGNATURES
    assert len(keys) == len(set(keys)) <= MOST_SIGNATURES + 51
    assert len(policies) == len(set(policies)) <= MOST_QUESTIONS
    assert len(asked) - len(keys) - len(policies) == 2


def test_hostile_signers_that_verify() -> None:
    """Domains below the author's own cost a walk each, and share what they have in common."""
    around = surroundings()
    signers = [f"{letter}.b.c.d.e.f.g.h.{BANK}" for letter in "stuvwxyz"]
    for signer in signers:
        around.names.add(f"r._domainkey.{signer}", "TXT", rsa_record())

    examined(signed(TEXT, *signers), around)

    policies = [name for name in around.names.asked if name.startswith("_dmarc.")]
    assert len(policies) == len(set(policies)) <= MOST_QUESTIONS * (1 + MOST_SIGNATURES)


def test_nothing_is_left_behind() -> None:
    """Whoever gives up, as when the client is gone, leaves no question open."""
    around = surroundings()
    around.names.silent |= {"evil.test", f"_dmarc.{BANK}", f"r._domainkey.{BANK}"}
    threads, (block, body) = Threads(), split(signed())
    examiner = Examiner(around.names, around.clock, 10.0, threads)
    visit = Visit(EVIL_HOST, "evil.test", "mail.example.org", around.now())

    asked = Asked(examiner.findings(visit, parse_address("eve@evil.test"), Header(block), MemoryBody(body)))
    assert around.clock.getDelayedCalls()
    asked.cancel()

    assert asked.done
    assert around.clock.getDelayedCalls() == []
