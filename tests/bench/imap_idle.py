"""Memory of idle IMAP sessions, beside Dovecot in three forms: run it by hand, as root.

`python tests/bench/imap_idle.py SCRIPTS [CONNECTIONS [RUNS [SERVER ...]]]`, where SCRIPTS is the folder of the
comparison's scripts.  Every session has logged in, opened an INBOX of 100 messages and waits in IDLE; all are of one
account.  Ours are measured in clear and over TLS too; Dovecot's in clear: with a process for each login, with
shared ones, and hibernating.
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import asyncio
import resource
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from beside_dovecot import PASSWORD, USER, OurSite, generated, print_table, scripts

MESSAGES = 100
SETTLE = 3.0
DOVECOT = {
    "dovecot": ({}, SETTLE),
    "dovecot, shared login": ({"login": "fast"}, SETTLE),
    "dovecot, hibernating": ({"login": "fast", "hibernate": "2s"}, SETTLE + 5),
}
CLEAR, TLS = "ours", "ours, TLS"
SERVERS = (CLEAR, TLS, *DOVECOT)
MEASURED = (
    "connections",
    "pss KiB/connection",
    "rss KiB/connection",
    "pss MiB",
    "base pss MiB",
    "idle cpu ms/s",
    "open seconds",
)


class Comparison:
    """Many idle sessions on several servers."""

    def __init__(self, folder: str, connections: int) -> None:
        self._lib, self._genmail, self._peers, self._w5 = scripts(folder, "benchlib", "genmail", "peers", "w5_idle")
        self._connections = connections
        self._bench = Path(self._lib.BENCH)
        self._site = OurSite(self._bench, MESSAGES)
        self._site.prepare(generated(self._bench, self._genmail, MESSAGES))

    def run(self, server: str) -> dict[str, float]:
        """Open the sessions of one server, measure, close them."""
        found = self._dovecot(*DOVECOT[server]) if server in DOVECOT else self._ours(tls=server == TLS)
        if found["failed"]:
            print(f"{server}: {found['failed']} failed, first {found['first failure']}", file=sys.stderr)
        return {key: found[key] for key in MEASURED}

    def _ours(self, *, tls: bool) -> dict[str, Any]:
        with self._site.running() as site:
            assert site.process is not None
            tree = self._lib.Tree(pid=site.process.pid)
            if not tls:
                return self._measured(site.ports["imap"], tree, USER, PASSWORD, SETTLE)
            with encrypted(site.certificate):
                return self._measured(site.ports["imaps"], tree, USER, PASSWORD, SETTLE)

    def _dovecot(self, options: dict[str, str], settle: float) -> dict[str, Any]:
        home = self._bench / "mail" / "dovecot"
        shutil.rmtree(home, ignore_errors=True)
        user = self._lib.MAIL_USER
        peer = self._peers.start("dovecot", keep="", **options)
        try:
            self._genmail.fill(str(home / user / "Maildir"), MESSAGES)
            subprocess.run(["chown", "-R", f"{user}:{user}", home], check=True)
            return self._measured(peer["port"], self._lib.Tree(peer["cgroup"]), user, "secret", settle)
        finally:
            self._peers.stop("dovecot")

    def _measured(self, port: int, tree: Any, user: str, password: str, settle: float) -> dict[str, Any]:
        found: dict[str, Any] = self._w5.main(
            "127.0.0.1", port, "imap", self._connections, tree, user, password, settle
        )
        return found


@contextmanager
def encrypted(certificate: Path) -> Iterator[None]:
    """Let the script's connections speak TLS as long as it lasts."""
    context, plain = ssl.create_default_context(cafile=str(certificate)), asyncio.open_connection

    def connect(host: str, port: int, **options: Any) -> Any:
        return plain(host, port, ssl=context, server_hostname="localhost", **options)

    asyncio.open_connection = connect  # type: ignore[assignment]
    try:
        yield
    finally:
        asyncio.open_connection = plain


def main(folder: str, connections: int = 1000, runs: int = 3, servers: Sequence[str] = SERVERS) -> None:
    """Compare, and print a table."""
    most = max(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    comparison = Comparison(folder, connections)
    results: dict[str, list[dict[str, float]]] = {server: [] for server in servers}
    for number in range(runs):
        for server in servers:
            results[server].append(comparison.run(server))
            print(f"run {number + 1} of {runs}: {server}", file=sys.stderr, flush=True)
    print_table(f"{connections} idle sessions", results, servers[0])


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    main(folder, *map(int, rest[:2]), *((rest[2:],) if rest[2:] else ()))
