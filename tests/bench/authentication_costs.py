# ruff: noqa: T201 - it prints its findings
"""What `authentication` costs: CPU for a message of 4 KB, and how long 20 MB keep the reactor from other work.

PYTHONPATH=.:tests:tests/policy python tests/bench/authentication_costs.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from authentication_kit import BANK, BANK_HOST, EVIL_HOST, chain_with, signed, surroundings
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twistedmail_mta.cli.offline import finished
from twistedmail_mta.policy.authentication import Authentication
from twistedmail_mta.reporting.evaluations import Evaluations
from twistedmail_mta.tasks import WorkerPool, sleep
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.values import arriving, client

HEAD = (
    b"Received: from client.bank.test ([192.0.2.1])\r\n\tby mail.bank.test with ESMTPS id 1\r\n"
    b"From: Ann <ann@bank.test>\r\nTo: bob@home.test\r\nSubject: hello\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"Message-ID: <1@bank.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
)
LINE = b"The quick brown fox jumps over the lazy dog, and  then it rests for a\twhile. \r\n"
ROUNDS = 2000

T = TypeVar("T")


def cost(text: bytes, host: str, sender: str, helo: str, policy: str = "p=reject") -> tuple[float, float]:
    """Return what a message costs, in milliseconds of CPU: on average, and the dearest."""
    around: Any = surroundings(policy)
    around.evaluations = Evaluations(around.database, around.clock, around.now)
    plugin = Rig(Authentication, surroundings=around).plugin
    who, message = client(host, helo=helo), arriving(text, sender=sender)
    finished(plugin.message(who, message))
    costs = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        finished(plugin.message(who, message))
        costs.append((time.process_time() - begun) * 1000)
    return sum(costs) / ROUNDS, sorted(costs)[ROUNDS * 99 // 100]


@dataclass
class Pieces:
    """Threads that note the most CPU time of a call: no single piece keeps the interpreter for longer."""

    pool: WorkerPool
    longest: float = 0.0

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call it on a thread."""
        return await self.pool.run(self._timed, function, *arguments)

    def _timed(self, function: Callable[..., T], *arguments: Any) -> T:
        begun = time.thread_time()
        try:
            return function(*arguments)
        finally:
            self.longest = max(self.longest, (time.thread_time() - begun) * 1000)


async def longest_piece(reactor: Any, text: bytes) -> tuple[float, float]:
    """Return the most CPU that the reactor's thread, and another thread, spent in one piece on a message, in ms."""
    rig = Rig(Authentication, surroundings=surroundings())
    pieces = Pieces(WorkerPool(reactor, "bench", 2, 10))
    rig.plugin._examiner._in_thread = pieces.run
    rig.plugin._examiner._clock = reactor
    done = Deferred.fromCoroutine(rig.plugin.message(client(EVIL_HOST), arriving(text)))
    longest, last = 0.0, time.thread_time()
    while not done.called:
        await sleep(reactor, 0)
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    await done
    pieces.pool.stop()
    return longest * 1000, pieces.longest


async def longest_stall(reactor: Any, text: bytes) -> tuple[float, float]:
    """Return how long other work waited at most while a message was examined, and how long that took, in ms."""
    rig = Rig(Authentication, surroundings=surroundings())
    pool = WorkerPool(reactor, "bench", 2, 10)
    rig.plugin._examiner._in_thread = pool.run
    rig.plugin._examiner._clock = reactor
    done = Deferred.fromCoroutine(rig.plugin.message(client(EVIL_HOST), arriving(text)))
    worst, begun = 0.0, time.monotonic()
    last = begun
    while not done.called:
        await sleep(reactor, 0)
        now = time.monotonic()
        worst, last = max(worst, now - last), now
    answer = await done
    assert "dmarc=pass" in str(answer), answer
    pool.stop()
    return worst * 1000, (last - begun) * 1000


async def idle(reactor: Any, seconds: float) -> float:
    """Return how long other work waited at most while nothing was done here: what the machine adds, in ms."""
    worst, begun = 0.0, time.monotonic()
    last = begun
    while last < begun + seconds:
        await sleep(reactor, 0)
        now = time.monotonic()
        worst, last = max(worst, now - last), now
    return worst * 1000


def shapes() -> Iterator[tuple[str, bytes]]:
    """Yield bodies of 20 MB: usual text, what is costly to make canonical, and a message with a chain."""
    size = 20 << 20
    yield "text", signed(HEAD + LINE * (size // len(LINE)))
    yield "white space", signed(HEAD + b"a  b\t \r\n" * (size // 8))
    yield "line ends", signed(HEAD + b"\r\n" * (size // 2) + b"x\r\n")
    yield "one line", signed(HEAD + b"x" * size + b"\r\n")


def hostile() -> Iterator[tuple[str, bytes]]:
    """Yield headers that are dear: of 64 KB, with hundreds of signatures, with a chain of 50 sets."""
    yield "a header of 900 fields", signed(b"X-Field: some words of no use to anybody\r\n" * 900 + HEAD + LINE)
    yield "200 signatures", signed(HEAD + LINE, BANK, *["evil.test"] * 199)
    text = HEAD + LINE
    for _ in range(50):
        text = chain_with(text, b"mx.example.org; dmarc=pass header.from=bank.test")
    yield "a chain of 50 sets", signed(text)


def main() -> None:
    """Print all."""
    four = HEAD + LINE * 46
    for name, text in (("unsigned", four), ("signed", signed(four))):
        usual, dear = cost(text, BANK_HOST, f"ann@{BANK}", BANK)
        print(f"4 KB, {name}: SPF twice, DKIM, DMARC, the field: {usual:.3f} ms, 1 in 100 above {dear:.3f} ms")
        told, _ = cost(text, BANK_HOST, f"ann@{BANK}", BANK, f"p=reject; rua=mailto:dmarc@{BANK}")
        print(f"the same, counted for a report: {told:.3f} ms")

    sys.setswitchinterval(1e-4)  # as the server has it

    async def stalls() -> None:
        print(f"2 s of nothing: others waited {await idle(reactor, 2.0):.1f} ms at most")
        for name, text in shapes():
            found = [await longest_stall(reactor, text) for _ in range(7)]
            worst, took = min(found)  # other programs only add to it
            print(f"20 MB of {name}: {took:.0f} ms, others waited {worst:.1f} ms at most, in the best of 7 tries")
            await tell_pieces(f"20 MB of {name}", text)
        for name, text in hostile():
            await tell_pieces(name, text)

    async def tell_pieces(name: str, text: bytes) -> None:
        own, threads = min([await longest_piece(reactor, text) for _ in range(3)])
        print(f"{name}: the longest piece is {own:.1f} ms of CPU on the reactor's thread, {threads:.1f} ms on another")

    react(lambda _: Deferred.fromCoroutine(stalls()), [])


if __name__ == "__main__":
    main()
