"""A queue of 200,000 recipients: run it by hand, `python tests/bench/queue_scale.py [RECIPIENTS]`; needs smtp-source.

Prints how long a server takes to start with it, its memory, how fast it
accepts beside an empty one, and what becomes of fresh mail while everything is
due at once and a quarter of it is for a host that never answers.
"""

# ruff: noqa: E402, T201 - the path comes first; it prints

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[levels]) for levels in (1, 2)]

from full_queue import Hosts, fill, mixed, rows, running_hosts
from running_site import RunningSite

BODY = 1024
DOMAINS = 10_000
ACCEPTED = 2000
PAIRS = 5
WATCHED = 90
LIMITS = "[listen.mx.limits]\nconnections_per_client = 300\n"


def memory(site: RunningSite, key: str = "VmRSS") -> float:
    """Return the megabytes that are resident now, or were at most (`VmHWM`)."""
    assert site.process is not None
    status = Path(f"/proc/{site.process.pid}/status").read_text()
    return int(status.split(f"{key}:")[1].split()[0]) / 1024


def processor(site: RunningSite) -> float:
    """Return the seconds of processor time that the server has used."""
    assert site.process is not None
    fields = Path(f"/proc/{site.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def started(site: RunningSite) -> float:
    """Start a site; return the seconds until it listened."""
    begun = time.perf_counter()
    site.start()
    return time.perf_counter() - begun


def accepted(site: RunningSite, count: int) -> float:
    """Send messages of 4 KB on 10 connections at once; return how many were accepted in a second."""
    begun = time.perf_counter()
    target = f"127.0.0.1:{site.ports['mx']}"
    common = ["-s", "10", "-m", str(count), "-l", "4096", "-f", "load@sender.test", "-t", "new@live.test"]
    subprocess.run(["smtp-source", *common, target], check=True)
    return count / (time.perf_counter() - begun)


def compare(directory: Path, hosts: Hosts, recipients: int) -> None:
    """Start, memory and acceptance, empty and full in turn; nothing of the queue is due."""
    empty = RunningSite(directory / "empty", hosts.toml() + LIMITS)
    full = RunningSite(directory / "full", hosts.toml() + LIMITS)
    now = time.time()
    fill(
        full.state, mixed(recipients // 4, recipients * 3 // 4, DOMAINS), due=now + 7200, spread=0.05, age=60, size=BODY
    )
    found: dict[str, list[tuple[float, ...]]] = {"empty": [], "full": []}
    for _ in range(PAIRS):
        for name, site in (("empty", empty), ("full", full)):
            start, before = started(site), memory(site)
            used = processor(site)
            rate = accepted(site, ACCEPTED)
            cost = 1000 * (processor(site) - used) / ACCEPTED
            found[name].append((start, before, memory(site, "VmHWM"), rate, cost))
            site.stop()
    for name, runs in found.items():
        start, before, after, rate, cost = (statistics.median(column) for column in zip(*runs, strict=True))
        print(
            f"{name:5}  start {start:4.2f} s  memory {before:5.1f} MB, at most {after:5.1f} MB  "
            f"accepts {rate:5.0f}/s for {cost:4.2f} ms of processor time each"
        )


def backlog(directory: Path, hosts: Hosts, recipients: int) -> None:
    """Everything is due, the dead host's mail first; fresh mail comes in all the time."""
    site = RunningSite(directory / "due", hosts.toml() + LIMITS)
    now, dead = time.time(), recipients // 4
    fill(site.state, mixed(dead, recipients - dead, DOMAINS), due=now - 3600, spread=0.001, age=7200, size=BODY)
    start = started(site)
    print(f"all due  start {start:4.2f} s")
    hosts.taken, begun, sent = 0, time.perf_counter(), 0
    hosts.tried.clear()
    while (passed := time.perf_counter() - begun) < WATCHED:
        rate = accepted(site, 200)
        sent += 200
        time.sleep(4.0)
        tried = hosts.tried.copy()
        others = {domain: count for domain, count in tried.items() if domain != "live.test"}
        print(
            f"after {passed:4.0f} s  memory {memory(site):5.1f} MB  fresh {hosts.taken} of {sent} "
            f"(accepted {rate:.0f}/s)  old {sum(others.values())} tried at {len(others)} of {DOMAINS} domains, "
            f"{hosts.silent} connections with the dead host, processor {processor(site):.1f} s"
        )
    ((left,),) = rows(site.state, "SELECT count(*) FROM recipient WHERE domain = 'dead.test' AND attempts = 1")
    print(f"mail for the dead host not tried again: {left} of {dead}; memory at most {memory(site, 'VmHWM'):.1f} MB")
    site.stop()


def main() -> None:
    """Measure on a temporary directory."""
    recipients = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as directory, running_hosts() as hosts:
        compare(Path(directory), hosts, recipients)
        backlog(Path(directory), hosts, recipients)


if __name__ == "__main__":
    main()
