"""The plugins of a site while it runs: made in the order of the site file, started, stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.config.plugging import Found
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.plugin_calls import in_time
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.plugins import Kit, PluginError, UnusablePlugins, table_prefix, verified
from twistedmail_mta.policy.supplies import Supplies
from twistedmail_mta.stages import GRANTS, IRelayGrant
from twistedmail_mta.tasks import Cancelled, TaskGroup, WorkerPool

START_WITHIN: Final = 60.0
"""Seconds that a plugin may take to start, or to stop."""

_VERSION: Final = "SELECT version FROM plugin WHERE name = ?"

_SET_VERSION: Final = """
INSERT INTO plugin (name, version) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = excluded.version
"""


@dataclass(eq=False, slots=True)
class Running:
    """A plugin of the site file, and what it was made of.

    Attributes:
        found: what the site file said.
        plugin: as it is asked.
        tasks: its coroutines.
        threads: its own.
        started: it was started, and not stopped since.
        users: how many sets of plugins it belongs to.
    """

    found: Found
    plugin: Plugin
    tasks: TaskGroup
    threads: WorkerPool
    started: bool = False
    users: int = 0


class Plugins:
    """All plugins of one reading of the site file, one object each, whichever listeners ask it.

    Those that are the same as in the reading before go on; they stop with the
    last set of plugins that they belong to.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, found: Sequence[Found], supplies: Supplies, before: Plugins | None = None) -> None:
        """Make the plugins that aren't there already; nothing of those runs yet.

        Args:
            found: in the order of the site file.
            supplies: what they are given.
            before: those of the reading before.

        Raises:
            UnusablePlugins: some can't be made, or aren't what they should be.
        """
        self._clock = supplies.clock
        self._supplies = supplies
        self._all: dict[str, Running] = {}
        reasons: list[tuple[str, str]] = []
        for each in found:
            old = before.find(each.name) if before is not None else None
            try:
                self._all[each.name] = old if old and each.is_same_as(old.found) else self._new(each, old)
            except PluginError as error:
                reasons.append((key_path(("plugins", each.name)), str(error)))
        for running in self._all.values():
            running.users += 1
        if reasons:
            for running in self._unneeded():
                self._end(running)
            raise UnusablePlugins(reasons)
        self._observers = self.pipeline(self._all)

    def _new(self, found: Found, old: Running | None) -> Running:
        """Make a plugin, perhaps the heir of one that runs."""
        tasks, threads = TaskGroup(), self._supplies.threads(found.name)
        try:
            plugin = made(found, self._supplies.kit(found.name, tasks, threads))
            if old is not None and old.found.table.use == found.table.use:
                inherit(plugin, old.plugin)
        except BaseException:
            tasks.cancel()
            self._supplies.end_threads(threads)
            raise
        return Running(found, plugin, tasks, threads)

    @property
    def names(self) -> Sequence[str]:
        """What the site file calls them, in its order."""
        return tuple(self._all)

    @property
    def observers(self) -> Pipeline:
        """All of them: asked which way mail goes, and told what became of it, whichever way it came."""
        return self._observers

    @property
    def running(self) -> tuple[Plugin, ...]:
        """All of them."""
        return tuple(each.plugin for each in self._all.values())

    def pipeline(self, names: Iterable[str]) -> Pipeline:
        """Return those that a listener asks, in its order."""
        return Pipeline([self._all[name].plugin for name in names], self._clock)

    def find(self, name: str) -> Running | None:
        """Return the one of a name, if there is one."""
        return self._all.get(name)

    def rehearse(self, live: Plugins) -> None:
        """Let plugins of a dry run know what those of the running site know; before they are started.

        Raises:
            PluginError: one of them can't take it.
        """
        for name, running in self._all.items():
            before = live.find(name)
            if before is not None and before.found.table.use == running.found.table.use:
                rehearse(running.plugin, before.plugin)

    def missing_in(self, other: Plugins) -> tuple[str, ...]:
        """Return the names of those that don't belong to another set: gone there, or made anew."""
        return tuple(name for name, running in self._all.items() if other.find(name) is not running)

    def grants(self, names: Sequence[str]) -> Pipeline:
        """Return those that may let strangers' mail be sent on, in the order of [relay].

        Raises:
            UnusablePlugins: some of them can't grant it, and so were named by mistake.
        """
        granting = [self._all[name].plugin for name in names]
        reasons = [
            (key_path(("relay", "plugins", place)), no_grant(plugin.name))
            for place, plugin in enumerate(granting)
            if not IRelayGrant.providedBy(plugin.acts)
        ]
        if reasons:
            raise UnusablePlugins(reasons)
        return Pipeline(granting, self._clock, GRANTS)

    async def start(self) -> None:
        """Bring the tables of those that don't run yet up to date, and start them in order.

        Raises:
            UnusablePlugins: one of them can't start; those before it have.
        """
        for name, running in self._all.items():
            if running.started:
                continue
            try:
                await migrate(self._supplies.database, name, running.found.kind.migrations)
                await self._call(running, "start")
                running.started = True
            except Cancelled:
                raise
            except Exception as error:
                reason = f"plugin {name} can't start: {type(error).__name__}: {error}"
                raise UnusablePlugins([(key_path(("plugins", name)), reason)]) from error

    async def stop(self) -> None:
        """Stop those that no other set has, the last first; called once.

        One that can't is logged, and no coroutine of any goes on.
        """
        for running in self._unneeded():
            if running.started:
                running.started = False
                try:
                    await self._call(running, "stop")
                except Cancelled:
                    raise
                except Exception:  # noqa: BLE001 - the others have to stop as well
                    name = running.found.name
                    self.log.failure("plugin {plugin} didn't stop as it should", event="plugin.failed", plugin=name)
            self._end(running)

    def _unneeded(self) -> Sequence[Running]:
        """Give all up; return those that nobody else has, the last first."""
        for running in self._all.values():
            running.users -= 1
        return [running for running in reversed(self._all.values()) if not running.users]

    def _end(self, running: Running) -> None:
        running.tasks.cancel()
        self._supplies.end_threads(running.threads)

    async def ask(self, name: str, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put the question of a command to a plugin that takes such: its async method `answer`.

        Args:
            name: what the site file calls it.
            question: what can be written as JSON; its answer can, too.

        Raises:
            PluginError: there is none of that name, or it answers no questions, or it doesn't know what is asked of it.
            TemporaryError: it can't be answered now.
            TimeoutError: it took too long.
        """
        running = self._all.get(name)
        answer = getattr(running.plugin.acts, "answer", None) if running is not None else None
        if answer is None:
            raise PluginError(f"there is no plugin {name} that answers questions")
        result: Mapping[str, Any] = await in_time(self._clock, START_WITHIN, answer(question))
        return result

    async def _call(self, running: Running, method: str) -> None:
        """Call an optional method of a plugin, and wait for it, but not for ever."""
        call = getattr(running.plugin.acts, method, None)
        if call is not None:
            await in_time(self._clock, START_WITHIN, call())


def no_grant(name: str) -> str:
    """Say why a plugin is out of place under [relay]."""
    return f"{name} provides no IRelayGrant, so it can't let anything be sent on: leave it out"


def inherit(plugin: Plugin, old: Plugin) -> None:
    """Let a plugin take over what one of its name knows, which is asked by earlier sessions still.

    Raises:
        PluginError: it can't.
    """
    _hand_over("inherit", plugin, old)


def rehearse(plugin: Plugin, live: Plugin) -> None:
    """Let a plugin of a dry run know what the one knows that it stands for, and that must not notice.

    Raises:
        PluginError: it can't.
    """
    _hand_over("rehearse", plugin, live)


def _hand_over(method: str, plugin: Plugin, old: Plugin) -> None:
    """Give a plugin what another of its name knows, by an optional method of its own."""
    take_over = getattr(plugin.acts, method, None)
    if take_over is not None:
        try:
            take_over(old.acts)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = f"plugin {plugin.name} can't take over from the one that runs: {type(error).__name__}: {error}"
            raise PluginError(reason) from error


async def migrate(database: IDatabase, name: str, migrations: Sequence[str]) -> None:
    """Apply the migrations of a plugin's tables that weren't yet, in order, each once."""
    if not migrations:
        return
    prefix = table_prefix(name)

    def apply(tx: Transaction) -> None:
        done = next((version for (version,) in list(tx.execute(_VERSION, (name,)))), 0)
        for statements in migrations[done:]:
            list(tx.execute(statements.replace("{plugin}", prefix)))
        list(tx.execute(_SET_VERSION, (name, max(done, len(migrations)))))

    await database.write(apply)


def made(found: Found, kit: Kit) -> Plugin:
    """Make a plugin; nothing of it runs yet.

    Raises:
        PluginError: it can't be made, or isn't what it should be.
    """
    try:
        acts = found.kind.make(found.options, kit)
    except KeyboardInterrupt:
        raise  # of whoever waits at a terminal
    except BaseException as error:
        raise PluginError(f"plugin {found.name} can't be made: {type(error).__name__}: {error}") from error
    verified(found.name, acts)
    table = found.table
    abstains = found.kind.abstains if table.on_error is None else table.on_error == "abstain"
    timeout = found.kind.timeout if table.timeout is None else table.timeout
    return Plugin(found.name, acts, timeout, abstains, table.may_send_anywhere)
