"""Looks whether all of a state is sound, while its server runs or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from twistedmail_mta.history.tables import NAME as HISTORY_NAME
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.keeping.backing_up import Progress
from twistedmail_mta.keeping.fault import Fault, Found
from twistedmail_mta.keeping.sound_bodies import bodies, contents
from twistedmail_mta.keeping.sound_files import files, orphans
from twistedmail_mta.keeping.sound_mailboxes import mailboxes, messages
from twistedmail_mta.keeping.sound_spool import CLAIMS, detained, spool
from twistedmail_mta.store.files import BODIES_NAME, DATABASE_NAME
from twistedmail_mta.store.holding import holding
from twistedmail_mta.store.schema import SchemaError, UnusableDatabase, demand_known, shipped_migrations
from twistedmail_mta.store.snapshot import Snapshot, faults
from twistedmail_mta.store.sync import SyncDatabase

_COUNTS: Final = {
    "messages in mailboxes": "SELECT count(*) FROM mail",
    "mailboxes": "SELECT count(*) FROM mailbox",
    "queued messages": "SELECT count(*) FROM message",
    "bodies": "SELECT count(*) FROM body",
    "large bodies": "SELECT count(*) FROM body WHERE file IS NOT NULL",
}
_FILE_OCTETS: Final = "SELECT coalesce(sum(size), 0) FROM body WHERE file IS NOT NULL"
_FOREIGN: Final = "PRAGMA foreign_key_check"


class Verifying:
    """One look at all of a state, as it is at one moment."""

    def __init__(self, state_dir: Path, bar: Progress, *, quick: bool = False) -> None:
        """Prepare it.

        Args:
            state_dir: the state directory.
            bar: told how far it is.
            quick: don't read all of each body file, nor compare indexes with their tables.
        """
        self._state_dir = state_dir
        self._root = state_dir / BODIES_NAME
        self._bar = bar
        self._quick = quick

    def run(self) -> Found:
        """Look at everything; nothing is changed.

        Raises:
            GaveUp: the disk is too full, or the server writes too much meanwhile.
            HeldError: a backup, or another of these, runs.
            SchemaError: the database is of another release.
            UnusableDatabase: it is none.
        """
        found = Found()
        held = holding(self._root) if self._root.is_dir() else nullcontext()
        with held, Snapshot(self._state_dir / DATABASE_NAME) as snapshot:
            _demand_schema(snapshot.version)
            self._look_at_database(snapshot.transaction, found)
        if (self._state_dir / HISTORY_NAME).is_file():
            self._look_at_history(found)
        return found

    def _look_at_database(self, tx: Transaction, found: Found) -> None:
        self._bar.begin("the database as SQLite sees it", 1, "step")
        broken = faults(tx, thorough=not self._quick)
        self._bar.advance(1)
        for text in broken:
            found.add(Fault("database.broken", DATABASE_NAME, text))
        if broken:
            found.notes.append("rows and bodies weren't looked at: what a broken database says can't be relied on")
            return
        for name, sql in _COUNTS.items():
            ((found.looked_at[name],),) = list(tx.execute(sql))
        self._take("rows", self._rows(tx), found)
        ((octets,),) = list(tx.execute(_FILE_OCTETS))
        self._bar.begin("large bodies", octets, "octets")
        for fault in files(tx, self._root, self._bar.advance, reads=not self._quick):
            found.add(fault)
        for fault in orphans(tx, self._root):
            found.add(fault)
        ((claims,),) = list(tx.execute(CLAIMS))
        if claims:
            found.notes.append(f"{claims} recipients are claimed by processes that are dead; a server gives them back")

    def _rows(self, tx: Transaction) -> Iterator[Iterable[Fault]]:
        yield (
            Fault("database.reference", f"{table}, row {row}", f"names a row of {parent} that isn't there")
            for table, row, parent, _ in tx.execute(_FOREIGN)
        )
        for look in (contents, bodies, messages, mailboxes, spool, detained):
            yield look(tx)

    def _take(self, name: str, looks: Iterator[Iterable[Fault]], found: Found) -> None:
        self._bar.begin(name, 7, "steps")
        for look in looks:
            for fault in look:
                found.add(fault)
            self._bar.advance(1)

    def _look_at_history(self, found: Found) -> None:
        try:
            with Snapshot(self._state_dir / HISTORY_NAME) as snapshot:
                broken = faults(snapshot.transaction, thorough=False)
        except UnusableDatabase as error:
            broken = [str(error)]
        for text in broken:
            found.add(Fault("history.broken", HISTORY_NAME, f"{text}; it may be deleted while the server is stopped"))


def repair(state_dir: Path, found: Found) -> int:
    """Mend what can be mended, each in a transaction of its own; return how many faults that were.

    No server may run.

    Raises:
        TemporaryError: the database can't be written; what was mended stays so.
    """
    mended = 0
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        for fault in found.faults:
            if fault.repair is not None:
                database.write(fault.repair.apply)
                mended += 1
    return mended


def _demand_schema(version: int) -> None:
    migrations = shipped_migrations()
    demand_known(DATABASE_NAME, version, migrations)
    if version < migrations[-1].number:
        raise SchemaError(
            f"the database {DATABASE_NAME} has schema version {version}, and this release {migrations[-1].number}: "
            "start the server once, or see `mta upgrade`"
        )
