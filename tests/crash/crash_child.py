"""A process to be killed.  It writes a line for each fact that it acknowledges.

crash_child.py steps                     reads jobs "SITE LIFE COUNT", one a line; forks a child for each, which
                                         lives and kills itself at its COUNTth operation on files; answers
                                         "killed|finished LAST", the last step acknowledged
crash_child.py load SITE SEED            accepts and settles without end, until it is killed
crash_child.py transfers SITE SEED       copies, moves, renames and deletes without end, until it is killed
crash_child.py life SITE LIFE            lives once
"""

# ruff: noqa: T201

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, cast

from crash_lives import Kind, live
from crash_site import LATER, NEVER, OK, CrashSite, content, local
from faultfs import FaultDisk, Faults, FaultVFS

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox import purging, transfers
from twistedmail_mta.mailbox.appending import Incoming
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.model import NULL_PATH, Claim, Deferred, Delivered, Failed, InlineBody, Outcome, Report, Settlement
from twistedmail_mta.tasks import TaskGroup

SIZES = (0, 200, 4096, 30_000, 300_000)
ACCEPTING, SETTLING = 8, 4


class Deadly(Faults):
    """Kills the process instead of its Nth operation that changes a file."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def code(self, operation: str, path: str) -> int | None:
        self._left -= operation != "read"
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return None


def say(line: bytes, pipe: int = 1) -> None:
    """Acknowledge: the pipe has it when this returns."""
    os.write(pipe, line)


def take_jobs() -> None:
    """Fork a child for each job."""
    for line in sys.stdin:
        site, kind, count = line.split()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            die_at(Path(site), cast(Kind, kind), int(count), writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as acknowledged:
            last = acknowledged.read()[-1:]
        _, status = os.waitpid(child, 0)
        outcome = {signal.SIGKILL: "killed", 0: "finished"}.get(status, f"failed-{status}")
        print(outcome, last[0] if last else -1, flush=True)


def die_at(path: Path, kind: Kind, count: int, acknowledged: int) -> None:
    """Live in a forked child, which ends here."""
    try:
        faults = Deadly(count)
        vfs = FaultVFS(faults=faults)
        site = CrashSite(path, vfs=vfs.name, disk=FaultDisk(faults=faults))
        live(site, kind, lambda number: say(bytes([number]), acknowledged))
        site.close()
    except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


class Load:
    """Many senders and many deliveries at once, with every outcome."""

    def __init__(self, site: CrashSite, seed: int) -> None:
        self._site = site
        self._chance = Random(seed)

    async def accept(self) -> None:
        """Accept messages that say in their header what they must hold."""
        while True:
            size, recipients = self._chance.choice(SIZES), self._chance.randrange(1, 4)
            names = [f"r{n}@example.net" for n in range(recipients)]
            body = await self._site.write_body(content(size + recipients, size))
            message = self._site.message(body, *names)
            claims = await self._site.spool.accept(message, claim=self._chance.random() < 0.5)
            say(b"accepted %d %d %d\n" % (message.id, size, recipients))
            for claim in claims:
                await self._settle(claim)

    async def settle(self) -> None:
        """Claim what is due and settle it."""
        while True:
            for claim in await self._site.spool.claim(10, frozenset()):
                await self._settle(claim)

    async def _settle(self, claim: Claim) -> None:
        say(b"tried %d %d\n" % (claim.message_id, claim.index))
        now = self._site.clock.seconds()
        outcome = self._chance.choices((Delivered(OK), Deferred(LATER), Failed(NEVER)), (6, 2, 2))[0]
        due = now + self._chance.random() * 0.2 if isinstance(outcome, Deferred) else None
        report = await self._report(claim, outcome)
        told = await self._site.spool.settle([Settlement(claim, outcome, now, due)], report)
        if isinstance(outcome, Delivered):
            say(b"gone %d %d\n" % (claim.message_id, claim.index))
        elif report is not None and told:
            self._say_reported(report)

    async def _report(self, claim: Claim, outcome: Outcome) -> Report | None:
        if not isinstance(outcome, Failed):
            return None
        failed = {failure.index for failure in await self._site.spool.unreported(claim.message_id)} | {claim.index}
        body = await self._site.write_body(content(201, 200))
        bounce = self._site.message(body, "r0@example.net", sender=NULL_PATH)
        return Report(claim.message_id, frozenset(failed), bounce)

    def _say_reported(self, report: Report) -> None:
        assert report.message is not None
        say(b"accepted %d 200 1\n" % report.message.id)
        for index in report.failed:
            say(b"gone %d %d\n" % (report.about, index))


class WallClock:
    """The real time."""

    seconds = staticmethod(time.time)


def bear_load(path: Path, seed: int) -> None:
    """Work until killed."""
    site = CrashSite(path, clock=WallClock())
    load, tasks = Load(site, seed), TaskGroup()
    for _ in range(ACCEPTING):
        tasks.start("accept", load.accept())
    for _ in range(SETTLING):
        tasks.start("settle", load.settle())
    site.hand.wait(tasks.finish())


class Transfers:
    """One account whose mail goes from mailbox to mailbox, in slices of a few messages."""

    COUNT = 40
    """Messages, each with a text of its own; they are in "a" and "b", each once, whatever happens."""

    def __init__(self, site: CrashSite, seed: int) -> None:
        self._store, self._site, self._chance = site.mailboxes, site, Random(seed)
        transfers.COPIED_AT_ONCE = transfers.MOVED_AT_ONCE = purging.PURGED_AT_ONCE = 2  # type: ignore[misc]

    async def begin(self) -> None:
        """Make the mailboxes and their mail, unless that was done."""
        first = await self._store.make(1, "a")
        await self._store.make(1, "b")
        if first.uid_next == 1:
            texts = [InlineBody(content(number, 200)) for number in range(self.COUNT)]
            new_id, structure = self._site.spool.new_id, local().structure
            await self._store.append(first.id, [Incoming(new_id(), b"\r\n", text, structure, 1) for text in texts])

    async def work(self) -> None:
        """Move, copy, rename and delete."""
        number = 0
        while True:
            number += 1
            await self._move(*self._chance.choice(("ab", "ba")))
            await self._copy(f"copy/{number}")
            await self._store.tree.rename(1, "copy", "copies")
            await self._store.tree.rename(1, "copies", "copy")
            for name, _ in (await self._store.tree.names(1)).mailboxes:
                if name.startswith("cop") and self._chance.random() < 0.5:
                    await self._store.tree.delete(1, name)

    async def _uids(self, name: str) -> tuple[int, list[int]]:
        mailbox = await self._store.make(1, name)
        view = await self._store.open(mailbox.id)
        self._store.leave(view)
        return mailbox.id, list(view.uids)

    async def _move(self, old: str, new: str) -> None:
        source, uids = await self._uids(old)
        target, _ = await self._uids(new)
        await self._store.move(source, self._chance.sample(uids, len(uids) // 2), target)

    async def _copy(self, name: str) -> None:
        """Copy all that is in "a" into a new mailbox."""
        source, uids = await self._uids("a")
        made = await self._store.tree.create(1, name)
        if isinstance(made, Mailbox):
            say(b"copying %d %d\n" % (made.id, len(uids)))
            await self._store.copy(source, uids, made.id)
            say(b"copied %d %d\n" % (made.id, len(uids)))


def transfer(path: Path, seed: int) -> None:
    """Work until killed, with a line for each transaction."""
    site = CrashSite(path, clock=WallClock())
    write = site.database.write

    async def write_and_say(function: Callable[[Transaction], Any], urgent: bool = False, size: int = 0) -> Any:
        result = await write(function, urgent, size)
        say(b"wrote\n")
        return result

    site.database.write = write_and_say  # type: ignore[method-assign, assignment]
    work = Transfers(site, seed)
    site.hand.wait(work.begin())
    site.hand.wait(work.work())


def main() -> None:
    match sys.argv[1:]:
        case ["steps"]:
            take_jobs()
        case ["load", path, seed]:
            bear_load(Path(path), int(seed))
        case ["transfers", path, seed]:
            transfer(Path(path), int(seed))
        case ["life", path, kind]:
            site = CrashSite(Path(path))
            live(site, cast(Kind, kind), lambda number: say(b"acknowledged %d\n" % number))
            site.close()


if __name__ == "__main__":
    main()
