"""What a policy remembers of many names: at hand in memory, and written to a table in batches.

Nobody waits for the table once a name is in memory, and a name that has no row
isn't looked for.  What changed is written after two seconds, so that a crash
forgets no more than that.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.plugins import Kit
from twistedmail_mta.tasks import Task, TaskGroup

T = TypeVar("T")

WRITE_AFTER: Final = 2.0
"""Seconds from the first change until it is written."""
TRY_AGAIN_AFTER: Final = 10.0
AT_ONCE: Final = 50
"""Rows of one write: it is put together on the reactor's thread."""
PAGE: Final = 5000

_NAMES: Final = "SELECT rowid, name, written_at FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"
_STATE: Final = "SELECT state FROM {table} WHERE name = ?"
_DELETE: Final = "DELETE FROM {table} WHERE name = ?"
_WRITE: Final = """
INSERT INTO {table} (name, written_at, state) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET written_at = excluded.written_at, state = excluded.state
"""


def ledger_table(table: str) -> str:
    """Return the migration that makes the table of a ledger."""
    return (
        f"CREATE TABLE {{plugin}}{table}"
        " (name TEXT NOT NULL UNIQUE, written_at REAL NOT NULL, state BLOB NOT NULL) STRICT"
    )


class Form(Protocol[T]):
    """How a state becomes octets."""

    def new(self) -> T:
        """Return the state of a name that nothing is known of."""

    def read(self, octets: bytes) -> T:
        """Return the state that `write` wrote."""

    def write(self, state: T) -> bytes:
        """Return the octets of a state; none when it is as good as new."""


class Ledger(Generic[T]):
    """The states of names; the one not used for longest goes first where there are too many.

    Plugins that follow one another at a reload share one: `stop` by the first
    writes what changed until then, and the others go on.
    """

    def __init__(  # noqa: PLR0913 - the bounds are part of it
        self, kit: Kit, table: str, form: Form[T], *, most: int, rows: int, keep: float
    ) -> None:
        """Prepare; `start` must come before the first name.

        Args:
            kit: the plugin's.
            table: as for `ledger_table`.
            form: how states are written.
            most: names in memory.
            rows: names in the table.
            keep: seconds after which what wasn't written again doesn't count any more.
        """
        self._kit = kit
        self._sql = {key: sql.format(table=kit.prefix + table) for key, sql in _STATEMENTS.items()}
        self._form = form
        self._most = most
        self._most_rows = rows
        self._keep = keep
        self._rows: OrderedDict[str, float] = OrderedDict()  # by when they were written, the oldest first
        self._states: OrderedDict[str, T] = OrderedDict()
        self._changed: dict[str, T] = {}
        self._writing: dict[str, T] = {}
        self._loading: dict[str, Task[T]] = {}
        self._tasks = TaskGroup()  # not the kit's: those end with the plugin that was first
        self._is_open = False
        self._timer: IDelayedCall | None = None
        self._live: Ledger[T] | None = None

    def __len__(self) -> int:
        return len(self._states)

    async def start(self) -> None:
        """Read the names, unless that was done.

        Raises:
            TemporaryError: they can't be read.
        """
        if self._is_open:
            return
        found: list[tuple[float, str]] = []
        after = 0
        while page := await self._kit.database.read(partial(_listed, sql=self._sql["names"], after=after)):
            found += [(written_at, name) for _, name, written_at in page]
            after = page[-1][0]
        self._rows = OrderedDict((name, written_at) for written_at, name in sorted(found))
        self._is_open = True

    def rehearse(self, live: Ledger[T]) -> None:
        """Know in a dry run what another ledger knows, which hears nothing of it; instead of `start`."""
        self._live, self._rows, self._is_open = live, live._rows, True

    async def stop(self) -> None:
        """Write what changed."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        await self._tasks.finish()
        await self.flush()

    def names(self) -> list[str]:
        """Return the names of which something is known."""
        return sorted({*self._rows, *self._changed})

    async def open(self, name: str) -> T:
        """Return the state of a name; it is changed in place, and then `changed` is called before the next wait.

        Raises:
            TemporaryError: it can't be read now.
        """
        state = self._at_hand(name)
        if state is not None:
            return state
        if name not in self._rows or self._is_old(name):
            return self._remember(name, self._form.new())
        loading = self._loading.get(name)
        if loading is None:
            loading = self._tasks.shield("policy.ledger", self._load(name))
            if not loading.done:
                self._loading[name] = loading
                loading.when_done(partial(self._loaded, name))
        return await loading

    def _at_hand(self, name: str) -> T | None:
        state = self._states.get(name)
        if state is not None:
            self._states.move_to_end(name)
            return state
        state = self._changed.get(name, self._writing.get(name))
        if state is None and self._live is not None:
            state = self._live.copy_of(name)
        return None if state is None else self._remember(name, state)

    def copy_of(self, name: str) -> T | None:
        """Return a copy of a state that is in memory, which is none of the memory's business."""
        state = self._states.get(name)
        if state is None:
            state = self._changed.get(name, self._writing.get(name))
        if state is None:
            return None
        octets = self._form.write(state)
        return self._form.read(octets) if octets else self._form.new()

    def _is_old(self, name: str) -> bool:
        return self._rows[name] < self._kit.now() - self._keep

    async def _load(self, name: str) -> T:
        rows = await self._kit.database.read(lambda tx: list(tx.execute(self._sql["state"], (name,))))
        state = self._at_hand(name)
        if state is not None:
            return state
        return self._remember(name, self._form.read(rows[0][0]) if rows else self._form.new())

    def _loaded(self, name: str, _: Task[T]) -> None:
        del self._loading[name]

    def _remember(self, name: str, state: T) -> T:
        self._states[name] = state
        self._states.move_to_end(name)
        if len(self._states) > self._most:
            self._states.popitem(last=False)
        return state

    def changed(self, name: str, state: T) -> None:
        """Say that a state was changed: it is written soon."""
        self._remember(name, state)
        if self._kit.rehearsal:
            return  # it ends with the dry run
        self._changed[name] = state
        if len(self._changed) > self._most:  # nothing can be written: the oldest change is forgiven
            del self._changed[next(iter(self._changed))]
        self._write_in(WRITE_AFTER)

    def forget(self, name: str) -> None:
        """Let a name be as new."""
        self.changed(name, self._form.new())

    def _write_in(self, seconds: float) -> None:
        if self._timer is None or not self._timer.active():
            self._timer = self._kit.clock.callLater(seconds, self._wake)

    def _wake(self) -> None:
        self._tasks.start("policy.ledger", self.flush())

    async def flush(self) -> None:
        """Write what changed; what can't be written now is tried again."""
        while self._changed:
            batch = {name: self._changed[name] for name in list(self._changed)[:AT_ONCE]}
            for name in batch:
                del self._changed[name]
            self._writing.update(batch)
            try:
                await self._write(batch)
            except TemporaryError:
                self._changed = batch | self._changed
                self._write_in(TRY_AGAIN_AFTER)
                return
            finally:
                for name, state in batch.items():
                    if self._writing.get(name) is state:
                        del self._writing[name]

    async def _write(self, batch: dict[str, T]) -> None:
        now = self._kit.now()
        octets = {name: self._form.write(state) for name, state in batch.items()}
        written = [(name, now, each) for name, each in octets.items() if each]
        gone = [name for name, each in octets.items() if not each and name in self._rows]
        gone += self._outdated(len(written), batch)
        apply = partial(self._apply, written=written, gone=[(name,) for name in gone])
        await self._kit.database.write(apply, size=sum(map(len, octets.values())))
        for name in gone:
            self._rows.pop(name, None)
        for name, _, _ in written:
            self._rows[name] = now
            self._rows.move_to_end(name)

    def _outdated(self, added: int, batch: dict[str, T]) -> list[str]:
        """Return names whose rows are too old, or too many; not many at once."""
        too_many = len(self._rows) + added - self._most_rows
        names: list[str] = []
        for name in self._rows:
            if len(names) >= AT_ONCE or not (len(names) < too_many or self._is_old(name)):
                break
            if name not in batch:
                names.append(name)
        return names

    def _apply(self, tx: Transaction, written: Sequence[tuple[str, float, bytes]], gone: Sequence[tuple[str]]) -> None:
        for _ in tx.executemany(self._sql["write"], written):
            pass
        for _ in tx.executemany(self._sql["delete"], gone):
            pass


_STATEMENTS: Final = {"names": _NAMES, "state": _STATE, "write": _WRITE, "delete": _DELETE}


def _listed(tx: Transaction, sql: str, after: int) -> list[tuple[int, str, float]]:
    return [(rowid, name, at) for rowid, name, at in tx.execute(sql, (after, PAGE))]
