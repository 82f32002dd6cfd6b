"""Many clients at once, large messages, and a reactor that is busy with something else."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mail_sink import running_sink
from running_site import RunningSite, wait_until
from typist import Typist

CLIENTS = 200
BLOCK = 1 << 18
BODY = (b"0123456789" * 99 + b"abcdefg\r\n") * 2000

BUSY_TWISTD = [
    sys.executable,
    "-c",
    """
import time
from twisted.internet import reactor, task

def compute():
    end = time.perf_counter() + 0.004
    while time.perf_counter() < end:
        sum(range(100))

task.LoopingCall(compute).start(0.005)
from twisted.scripts.twistd import run
run()
""",
]
"""twistd with a reactor whose thread computes four milliseconds of every five."""


def peak_memory_of(site: RunningSite) -> int:
    """The most that was resident, in octets."""
    assert site.process is not None
    status = Path(f"/proc/{site.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_large_messages_take_no_memory(directory: Path) -> None:
    """200 clients send 2 MB each at the same time; only their blocks are in memory.

    Past the inline limit memory doesn't depend on the size of a message.
    """
    with running_sink() as sink:
        site = RunningSite(
            directory,
            f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
            "[listen.mx.limits]\nconnections_per_client = 300\n[outbound]\nconcurrency = 3\n",
        ).start()
        typists = [Typist(site.ports["mx"]) for _ in range(CLIENTS)]
        for typist in typists:
            typist.reply()
            for line in ("EHLO me", "MAIL FROM:<>", "RCPT TO:<a@relayed.test>", "DATA"):
                typist.type(line)
            typist.send(b"Subject: large\r\n\r\n")
        with ThreadPoolExecutor(20) as pool:
            for block in (BODY[start : start + BLOCK] for start in range(0, len(BODY), BLOCK)):
                list(pool.map(Typist.send, typists, [block] * CLIENTS))
            answers = list(pool.map(lambda typist: typist.type("."), typists))
        for typist in typists:
            typist.close()

        assert all(answer.startswith("250 2.0.0") for answer in answers)
        assert peak_memory_of(site) < 300 << 20
        site.stop()


def test_a_busy_reactor_still_accepts(directory: Path, record_property: object) -> None:
    """The writer's thread gets its turns although the reactor's thread computes four fifths of the time."""
    with running_sink() as sink:
        site = RunningSite(
            directory, f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
        ).start(BUSY_TWISTD)
        with Typist(site.ports["mx"]) as typist:
            typist.reply()
            typist.type("EHLO me")
            seconds = [accept_once(typist) for _ in range(100)]
        wait_until(lambda: len(sink.messages) == len(seconds))
        assert site.stop() == 0

    record_property("median_accept_ms", round(1000 * sorted(seconds)[50], 2))  # type: ignore[operator]
    record_property("p99_accept_ms", round(1000 * sorted(seconds)[98], 2))  # type: ignore[operator]


def accept_once(typist: Typist) -> float:
    """Send a message; return the seconds from the last octet to the answer."""
    for line in ("MAIL FROM:<>", "RCPT TO:<a@relayed.test>", "DATA"):
        typist.type(line)
    start = time.perf_counter()
    assert typist.type("Subject: x\r\n\r\n" + "text " * 800 + "\r\n.").startswith("250 2.0.0")
    return time.perf_counter() - start
