"""A queue full of mail for a dead host: who else waits for it?  `tests/bench/queue_scale.py` is the large one."""

from __future__ import annotations

import time
from pathlib import Path

from full_queue import fill, mixed, rows, running_hosts
from running_site import RunningSite, wait_until
from typist import Typist

DEAD, OTHERS, DOMAINS, FRESH = 3000, 400, 100, 20


def tried(site: RunningSite, condition: str) -> int:
    """How many recipients were tried since the queue was filled."""
    ((count,),) = rows(site.state, f"SELECT count(*) FROM recipient WHERE attempts > 1 AND {condition}")
    assert isinstance(count, int)
    return count


def test_a_dead_host_starves_nobody(directory: Path) -> None:
    """Fresh mail, and what waited behind thousands of recipients of a silent host, is delivered beside them."""
    with running_hosts() as hosts:
        site = RunningSite(directory, hosts.toml())
        fill(site.state, mixed(DEAD, OTHERS, DOMAINS), due=time.time() - 3600, spread=0.01, age=7200, size=100)
        site.start()

        with Typist(site.ports["mx"]) as typist:
            typist.reply()
            typist.type("EHLO me")
            for number in range(FRESH):
                for line in ("MAIL FROM:<>", f"RCPT TO:<a{number}@live.test>", "DATA"):
                    typist.type(line)
                assert typist.type("Subject: fresh\r\n\r\n.").startswith("250")

        wait_until(lambda: hosts.taken == FRESH)
        wait_until(lambda: tried(site, "domain <> 'dead.test'") == OTHERS)
        assert tried(site, "domain = 'dead.test'") == 0
        assert 0 < hosts.silent <= 20
        ((held,),) = rows(site.state, "SELECT count(*) FROM recipient WHERE owner IS NOT NULL")
        assert isinstance(held, int)
        assert held < DEAD / 2
        site.kill()  # an orderly end would wait for the silent host
