"""The plugins of a site while it runs: made in the order of the site file, started, stopped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.config.plugging import Found
from twistedmail_mta.interfaces import IDatabase, IResolver, Transaction
from twistedmail_mta.pipeline import Pipeline, Plugin
from twistedmail_mta.plugins import Kit, PluginError, verified
from twistedmail_mta.tasks import TaskGroup, WorkerPool

_UNSAFE: Final = re.compile(r"[^a-z0-9]")

_VERSION: Final = "SELECT version FROM plugin WHERE name = ?"

_SET_VERSION: Final = """
INSERT INTO plugin (name, version) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = excluded.version
"""


class Plugins:
    """All plugins of the site file, one object each, whichever listeners ask it."""

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - one caller
        self,
        found: Sequence[Found],
        hostname: str,
        clock: IReactorTime,
        now: Callable[[], float],
        resolver: IResolver,
        database: IDatabase,
        tasks: TaskGroup,
        threads: WorkerPool,
    ) -> None:
        """Make the plugins; nothing of them runs yet.

        Args:
            found: in the order of the site file.
            hostname: ours.
            clock: for their timers and time limits.
            now: seconds since the epoch.
            resolver: for their questions to the DNS.
            database: for their tables.
            tasks: for their coroutines.
            threads: for what they do that takes long.

        Raises:
            PluginError: one can't be made, or isn't what it should be.
        """
        self._clock = clock
        self._database = database
        self._found = found
        self._plugins: dict[str, Plugin] = {}
        for each in found:
            kit = Kit(
                each.name,
                hostname,
                clock,
                now,
                resolver,
                database,
                tasks,
                Logger(namespace=f"plugin.{each.name}"),
                table_prefix(each.name),
                threads,
            )
            self._plugins[each.name] = _made(each, kit)
        self._observers = Pipeline(list(self._plugins.values()), clock)

    @property
    def observers(self) -> Pipeline:
        """All of them: what became of mail is told to whoever takes note, whichever way it came."""
        return self._observers

    def pipeline(self, names: Iterable[str]) -> Pipeline:
        """Return those that a listener asks, in its order."""
        return Pipeline([self._plugins[name] for name in names], self._clock)

    async def start(self) -> None:
        """Bring their tables up to date, and start them in order.

        Raises:
            PluginError: one of them can't start.
        """
        for found in self._found:
            name = found.name
            try:
                await self._migrate(name, found.kind.migrations)
                await _called(self._plugins[name].acts, "start")
            except Exception as error:
                raise PluginError(f"plugin {name} can't start: {type(error).__name__}: {error}") from error

    async def stop(self) -> None:
        """Stop them, the last first; one that can't is logged."""
        for name in reversed(self._plugins):
            try:
                await _called(self._plugins[name].acts, "stop")
            except Exception:  # noqa: BLE001 - the others have to stop as well
                self.log.failure("plugin {plugin} didn't stop as it should", event="plugin.failed", plugin=name)

    async def _migrate(self, name: str, migrations: Sequence[str]) -> None:
        """Apply the migrations that weren't yet, each once."""
        if not migrations:
            return
        prefix = table_prefix(name)

        def migrate(tx: Transaction) -> None:
            done = next((version for (version,) in list(tx.execute(_VERSION, (name,)))), 0)
            for statements in migrations[done:]:
                for statement in filter(str.strip, statements.replace("{plugin}", prefix).split(";")):
                    list(tx.execute(statement))
            list(tx.execute(_SET_VERSION, (name, max(done, len(migrations)))))

        await self._database.write(migrate)


def table_prefix(name: str) -> str:
    """Return what the names of a plugin's tables begin with."""
    return f"plugin_{_UNSAFE.sub('_', name.lower())}_"


def _made(found: Found, kit: Kit) -> Plugin:
    try:
        acts = found.kind.make(found.options, kit)
    except Exception as error:
        raise PluginError(f"plugin {found.name} can't be made: {type(error).__name__}: {error}") from error
    verified(found.name, acts)
    table = found.table
    abstains = found.kind.abstains if table.on_error is None else table.on_error == "abstain"
    return Plugin(found.name, acts, table.timeout, abstains, table.may_send_anywhere)


async def _called(acts: Any, method: str) -> None:  # noqa: ANN401 - any plugin
    """Call an optional method."""
    call = getattr(acts, method, None)
    if call is not None:
        await call()
