"""What the comparisons with Dovecot share: the scripts they run, our site with generated mail, and tables.

The scripts are a folder of this project's comparison of mail servers (`w4_mailbox.py`, `w5_idle.py`, `peers.py` ...),
which also say where data goes: `$BENCH`.
"""

# ruff: noqa: E402, T201 - the path comes first; it prints

from __future__ import annotations

import os
import shutil
import socket
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[levels]) for levels in (1, 2)]

from running_site import RunningSite

USER, PASSWORD, DOMAIN = "benchmail@bench.test", "correct-horse", "bench.test"
_AT = 'endpoint = "tcp:0:interface=127.0.0.1"'
_CLEAR = 'plaintext_login = ["127.0.0.0/8"]'
_MANY = "limits = { connections_per_client = 20000, sessions_per_account = 20000 }"
LISTENERS = (
    f'[listen.imap]\n{_AT}\nrole = "imap"\n{_CLEAR}\n{_MANY}\n'
    f'[listen.imaps]\n{_AT}\nrole = "imap"\ntls = "implicit"\n{_MANY}\n'
    f'[listen.pop3]\n{_AT}\nrole = "pop3"\n{_CLEAR}\n{_MANY}\n'
)
SITE = f'[limits]\nconnections = 20000\n[domains."{DOMAIN}"]\n'


def scripts(folder: str, *names: str) -> list[Any]:
    """Return the scripts of these names as modules."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)
    return [import_module(name) for name in names]


def generated(bench: Path, genmail: Any, count: int) -> Path:
    """Return a Maildir of that many generated messages, made if need be."""
    maildir = bench / "gen" / str(count)
    if not maildir.is_dir():
        genmail.fill(str(maildir), count)
    return maildir


class OurSite:
    """Our server beside the others: a site that was filled once, and fresh copies of it that are run."""

    def __init__(self, bench: Path, count: int) -> None:
        self._master = bench / "ours" / str(count)
        self._copy = bench / "ours" / "run"

    def prepare(self, maildir: Path) -> None:
        """Fill the site, unless that has been done."""
        if self._master.is_dir():
            return
        filling = RunningSite(self._copy.with_name("filling"), SITE, LISTENERS).start()
        filling.add_account(USER, PASSWORD)
        filling.mta("mailbox", "import", USER, str(maildir), patience=600)
        filling.stop()
        shutil.move(filling.directory, self._master)

    @contextmanager
    def running(self) -> Iterator[RunningSite]:
        """Run a fresh copy; its user has logged in once, since only the first login costs a hash."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._master / "state", self._copy / "state", ignore=shutil.ignore_patterns("*.sock"))
        os.sync()
        site = RunningSite(self._copy, SITE, LISTENERS).start()
        try:
            log_in(site.ports["imap"])
            yield site
        finally:
            site.stop()


def log_in(port: int) -> None:
    """Log in and out."""
    with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rwb") as stream:
        stream.readline()
        for command in (f"a LOGIN {USER} {PASSWORD}", "b LOGOUT"):
            stream.write(command.encode() + b"\r\n")
            stream.flush()
            while not (line := stream.readline()).startswith(command[:2].encode()):
                assert line, "the connection was lost"
            assert line[2:].startswith(b"OK"), line


def print_table(title: str, results: Mapping[str, Sequence[Mapping[str, float]]], first: str) -> None:
    """Print medians with the least and the most of all runs, and how many times those of the others `first` has.

    Args:
        title: what is measured.
        results: the runs of each server.
        first: the server that the others are compared with.
    """
    print(f"\n{title}\n{'':34}" + "".join(f"{name:>30}" for name in results))
    for label in results[first][0]:
        cells, own = [], [run[label] for run in results[first] if label in run]
        for name, runs in results.items():
            values = [run[label] for run in runs if run.get(label) is not None]
            if not values:
                cells.append("-")
                continue
            middle = statistics.median(values)
            ratio = f" x{statistics.median(own) / middle:.2f}" if name != first and middle else ""
            cells.append(f"{middle:.4g} ({min(values):.4g}-{max(values):.4g}){ratio}")
        print(f"{label:34}" + "".join(f"{cell:>30}" for cell in cells), flush=True)
