"""Small messages taken and delivered, a connection each, beside Postfix with Maildirs: run it by hand, as root.

`python tests/bench/smtp_accept.py SCRIPTS [RUNS [MESSAGES]]`, where SCRIPTS is the folder of the comparison's scripts.
10 sessions, then 50; the servers take turns.  What reached the mailbox is counted by POP3's STAT, and in
Postfix's Maildir.
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from beside_dovecot import DOMAIN, LISTENERS, PASSWORD, SITE, USER, log_in, print_table, scripts
from running_site import RunningSite

OURS, POSTFIX = "ours", "postfix"
SESSIONS = (10, 50)
SIZE = 4096
WARM_UP = 200
MX = '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\nlimits = { connections_per_client = 20000 }\n'
STAT = """python3 -c "
import poplib
drop = poplib.POP3('127.0.0.1', {port})
drop.user('{user}'); drop.pass_('{password}')
print(drop.stat()[0]); drop.quit()
" """


class Comparison:
    """Both servers, one after the other."""

    def __init__(self, folder: str, messages: int) -> None:
        self._lib, self._peers, self._w1 = scripts(folder, "benchlib", "peers", "w1_accept")
        self._messages = messages

    def ours(self, sessions: int) -> dict[str, float]:
        """Run ours once, with an empty state."""
        directory = Path(self._lib.BENCH) / "ours" / "accepting"
        shutil.rmtree(directory, ignore_errors=True)
        site = RunningSite(directory, SITE, LISTENERS + MX).start()
        try:
            site.add_account(USER, PASSWORD)
            log_in(site.ports["imap"])
            count = STAT.format(port=site.ports["pop3"], user=USER, password=PASSWORD)
            assert site.process is not None
            tree = self._lib.Tree(pid=site.process.pid)
            return self._once(site.ports["mx"], USER, sessions, tree, None, count)
        finally:
            site.stop()

    def postfix(self, sessions: int) -> dict[str, float]:
        """Run Postfix once."""
        peer = self._peers.start("postfix")
        try:
            address = f"{self._lib.MAIL_USER}@{DOMAIN}"
            return self._once(peer["port"], address, sessions, self._lib.Tree(peer["cgroup"]), peer["maildir"], None)
        finally:
            self._peers.stop("postfix")

    def _once(  # noqa: PLR0917 - two callers, above
        self, port: int, address: str, sessions: int, tree: Any, maildir: str | None, count: str | None
    ) -> dict[str, float]:
        for messages in (WARM_UP, self._messages):
            found = self._w1.main("127.0.0.1", port, address, maildir, sessions, messages, SIZE, False, 1, tree, count)
        return {label: spread["median"] for label, spread in found.items() if spread is not None}


def main(folder: str, runs: int = 5, messages: int = 2000) -> None:
    """Compare, and print a table for each number of sessions."""
    comparison = Comparison(folder, messages)
    for sessions in SESSIONS:
        results: dict[str, list[dict[str, float]]] = {OURS: [], POSTFIX: []}
        for number in range(runs):
            results[OURS].append(comparison.ours(sessions))
            results[POSTFIX].append(comparison.postfix(sessions))
            print(f"run {number + 1} of {runs} with {sessions} sessions", file=sys.stderr, flush=True)
        print_table(f"{sessions} sessions, {SIZE} octets", results, OURS)


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    main(folder, *map(int, rest))
