"""IMAP and POP3 on a big mailbox, beside Dovecot with Maildir and sdbox: run it by hand, as root.

`python tests/bench/imap_mailbox.py SCRIPTS [MESSAGES [RUNS [SERVER ...]]]`, where SCRIPTS is the folder of the
comparison's scripts.  Servers take turns, each run on a fresh copy of the mailbox; what is printed are seconds, and
seconds of processor time.
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from beside_dovecot import PASSWORD, USER, OurSite, generated, print_table, scripts

OURS = "ours"
SERVERS = (OURS, "maildir", "sdbox")
BODIES_UP_TO = 10_000
"""Messages of a mailbox that is read whole."""
Run = dict[str, dict[str, float]]


class Comparison:
    """One mailbox on several servers."""

    def __init__(self, folder: str, count: int) -> None:
        self._lib, genmail, self._peers, self._all, self._w4 = scripts(
            folder, "benchlib", "genmail", "peers", "run_all", "w4_mailbox"
        )
        self._count = count
        bench = Path(self._lib.BENCH)
        self._site = OurSite(bench, count)
        self._site.prepare(generated(bench, genmail, count))

    def run(self, server: str) -> Run:
        """Run all commands once."""
        bodies = self._count <= BODIES_UP_TO
        if server == OURS:
            with self._site.running() as site:
                assert site.process is not None
                tree = self._lib.Tree(pid=site.process.pid)
                return self._measured(site.ports, tree, USER, PASSWORD, bodies)
        peer = self._all.mailbox(server, self._count)
        os.sync()
        try:
            ports = {"imap": peer["port"], "pop3": peer["pop3_port"]}
            return self._measured(ports, self._lib.Tree(peer["cgroup"]), self._lib.MAIL_USER, "secret", bodies)
        finally:
            self._peers.stop("dovecot")

    def _measured(self, ports: dict[str, int], tree: Any, user: str, password: str, bodies: bool) -> Run:
        found: Run = self._w4.main(
            "127.0.0.1", ports["imap"], tree, user, password, pop3_port=ports["pop3"], bodies=bodies
        )
        return found


def main(folder: str, count: int = 10_000, runs: int = 5, servers: Sequence[str] = SERVERS) -> None:
    """Compare, and print two tables."""
    comparison = Comparison(folder, count)
    results: dict[str, list[Run]] = {server: [] for server in servers}
    for number in range(runs):
        for server in servers:
            results[server].append(comparison.run(server))
            print(f"run {number + 1} of {runs}: {server}", file=sys.stderr, flush=True)
    for kind in ("seconds", "server cpu seconds"):
        print_table(
            f"{kind}, {count} messages",
            {name: [run[kind] for run in all_] for name, all_ in results.items()},
            servers[0],
        )


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    main(folder, *map(int, rest[:2]), *((rest[2:],) if rest[2:] else ()))
