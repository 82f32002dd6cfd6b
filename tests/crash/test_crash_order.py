"""The system calls of accept and settle: all is synced before it is acknowledged (strace)."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from crash_lives import (
    KINDS,
    MAILBOX_STEPS,
    QUARANTINE_STEPS,
    SPOOL_STEPS,
    TREE_STEPS,
    Kind,
    MailboxLife,
    QuarantineLife,
    SpoolLife,
    TreeLife,
)
from crash_site import child

FILE = re.compile(r"/bodies/\d+/[0-9a-f]+-[0-9a-f]+$")


SYNCED: dict[Kind, tuple[Sequence[object], object, Sequence[object]]] = {
    "spool": (
        SPOOL_STEPS,
        SpoolLife.accept_large,
        (SpoolLife.accept_small, SpoolLife.settle_each_way, SpoolLife.settle_large),
    ),
    "mailboxes": (
        MAILBOX_STEPS,
        MailboxLife.accept_into_mailboxes,
        (MailboxLife.accept_into_mailboxes_alone, MailboxLife.append, MailboxLife.remove_the_last),
    ),
    "quarantine": (
        QUARANTINE_STEPS,
        QuarantineLife.quarantine_large,
        (QuarantineLife.quarantine_small, QuarantineLife.release, QuarantineLife.delete_large, QuarantineLife.expire),
    ),
    "tree": (
        TREE_STEPS,
        TreeLife.accept_large,
        (TreeLife.create, TreeLife.copy, TreeLife.move, TreeLife.rename, TreeLife.rename_inbox, TreeLife.delete),
    ),
}
"""The steps of each life, the one that writes a file, and others that write to the database alone."""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_acknowledged_before_it_is_synced(tmp_path: Path, kind: Kind) -> None:
    """What was written to file, directory and WAL since the last acknowledgement is synced by the next."""
    names, writes_file, others = SYNCED[kind]
    trace, site = tmp_path / "trace", tmp_path / "site"
    site.mkdir()
    command, environment = child("life", str(site), kind)
    calls = "trace=fsync,fdatasync,write,pwrite64,writev,pwritev,openat,mkdir"
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", str(trace), "-e", calls, *command],
        env=environment,
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.count(b"acknowledged") == len(names) + 1, done.stderr

    steps = steps_of(trace.read_text(), str(site))

    assert len(steps) == len(names) + 1
    for step in steps:
        assert step.unsynced() == []
    large = steps[1 + names.index(writes_file)].calls
    file, directory = (FILE.search(path) for path in [path for call, path in large if call == "sync"][-3:-1])
    assert file
    assert not directory
    for other in others:
        assert ("sync", f"{site}/mta.db-wal") in steps[1 + names.index(other)].calls


class StepTrace:
    """The calls between two acknowledgements that returned with success, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def unsynced(self) -> list[str]:
        """Return the durable files that were written, and not synced since."""
        dirty: dict[str, None] = {}
        for call, path in self.calls:
            if call == "sync":
                dirty.pop(path, None)
            elif call == "write" and (path.endswith("-wal") or FILE.search(path)):
                dirty[path] = None
            elif (call == "create" and FILE.search(path)) or call == "mkdir":
                dirty[str(Path(path).parent)] = None
        return list(dirty)


def steps_of(trace: str, site: str) -> list[StepTrace]:
    """Cut a trace into steps, keeping what concerns `site`."""
    steps, unfinished = [StepTrace()], {}
    for line in trace.splitlines():
        process, _, call = line.partition(" ")
        call = call.strip()
        if '"acknowledged ' in call:
            steps.append(StepTrace())
        elif call.endswith("<unfinished ...>"):
            unfinished[process] = call.removesuffix("<unfinished ...>")
        else:
            if resumed := re.match(r"<\.\.\. \w+ resumed>", call):
                call = unfinished.pop(process) + call[resumed.end() :]
            steps[-1].calls += [found for found in [_call(call)] if found and found[1].startswith(site)]
    return steps[:-1]


def _call(call: str) -> tuple[str, str] | None:
    if re.search(r"= -1 ", call):
        return None
    if match := re.match(r"f(?:data)?sync\(\d+<(.*?)>", call):
        return "sync", match[1]
    if match := re.match(r"p?writev?(?:64)?\(\d+<(.*?)>", call):
        return "write", match[1]
    if match := re.match(r'openat\([^"]*"(.*?)", [^,)]*O_CREAT', call):
        return "create", match[1]
    if match := re.match(r'mkdir\("(.*?)"', call):
        return "mkdir", match[1]
    return None
