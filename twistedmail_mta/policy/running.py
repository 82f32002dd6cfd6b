"""The plugins of a site while it runs: made in the order of the site file, started, stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.config.plugging import Found
from twistedmail_mta.interfaces import IAccountMail, IDatabase, IHTTPClient, INotices, IResolver, Transaction
from twistedmail_mta.pipeline import Pipeline, Plugin, in_time
from twistedmail_mta.plugins import Kit, PluginError, table_prefix, verified
from twistedmail_mta.stages import GRANTS, IRelayGrant
from twistedmail_mta.tasks import Cancelled, TaskGroup, WorkerPool

START_WITHIN: Final = 60.0
"""Seconds that a plugin may take to start, or to stop."""

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
        http: IHTTPClient,
        database: IDatabase,
        threads: Callable[[str], WorkerPool],
        account_mail: IAccountMail | None = None,
        notices: INotices | None = None,
    ) -> None:
        """Make the plugins; nothing of them runs yet.

        Args:
            found: in the order of the site file.
            hostname: ours.
            clock: for their timers and time limits.
            now: seconds since the epoch.
            resolver: for their questions to the DNS.
            http: for those to web services.
            database: for their tables.
            threads: returns those of the plugin of a name, for what it does that takes long.
            account_mail: the queued mail of accounts.
            notices: for mail to the administrator.

        Raises:
            PluginError: one can't be made, or isn't what it should be.
        """
        self._clock = clock
        self._database = database
        self._found = found
        self._plugins: dict[str, Plugin] = {}
        self._tasks: dict[str, TaskGroup] = {}
        self._started: list[str] = []
        for each in found:
            tasks = self._tasks[each.name] = TaskGroup()
            kit = Kit(
                name=each.name,
                hostname=hostname,
                clock=clock,
                now=now,
                resolver=resolver,
                http=http,
                database=database,
                tasks=tasks,
                log=Logger(namespace=f"plugin.{each.name}"),
                prefix=table_prefix(each.name),
                _threads=threads(each.name),
                account_mail=account_mail,
                notices=notices,
            )
            self._plugins[each.name] = made(each, kit)
        self._observers = Pipeline(list(self._plugins.values()), clock)

    @property
    def observers(self) -> Pipeline:
        """All of them: what became of mail is told to whoever takes note, whichever way it came."""
        return self._observers

    @property
    def running(self) -> tuple[Plugin, ...]:
        """All of them."""
        return tuple(self._plugins.values())

    def pipeline(self, names: Iterable[str]) -> Pipeline:
        """Return those that a listener asks, in its order."""
        return Pipeline([self._plugins[name] for name in names], self._clock)

    def grants(self, names: Sequence[str]) -> Pipeline:
        """Return those that may let strangers' mail be sent on, in the order of [relay].

        Raises:
            PluginError: one of them can't grant it, and so was named by mistake.
        """
        granting = [self._plugins[name] for name in names]
        for place, plugin in enumerate(granting):
            if not IRelayGrant.providedBy(plugin.acts):
                raise PluginError(f"relay.plugins[{place}]: {no_grant(plugin.name)}")
        return Pipeline(granting, self._clock, GRANTS)

    async def start(self) -> None:
        """Bring their tables up to date, and start them in order.

        Raises:
            PluginError: one of them can't start; those before it have.
        """
        for found in self._found:
            name = found.name
            try:
                await migrate(self._database, name, found.kind.migrations)
                await self._call(name, "start")
                self._started.append(name)
            except Cancelled:
                raise
            except Exception as error:
                raise PluginError(f"plugin {name} can't start: {type(error).__name__}: {error}") from error

    async def stop(self) -> None:
        """Stop those that were started, the last first; one that can't is logged, and no coroutine of any goes on."""
        while self._started:
            name = self._started.pop()
            try:
                await self._call(name, "stop")
            except Cancelled:
                raise
            except Exception:  # noqa: BLE001 - the others have to stop as well
                self.log.failure("plugin {plugin} didn't stop as it should", event="plugin.failed", plugin=name)
            self._tasks[name].cancel()
        for tasks in self._tasks.values():
            tasks.cancel()

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
        plugin = self._plugins.get(name)
        answer = getattr(plugin.acts, "answer", None) if plugin is not None else None
        if answer is None:
            raise PluginError(f"there is no plugin {name} that answers questions")
        result: Mapping[str, Any] = await in_time(self._clock, START_WITHIN, answer(question))
        return result

    async def _call(self, name: str, method: str) -> None:
        """Call an optional method of a plugin, and wait for it, but not for ever."""
        call = getattr(self._plugins[name].acts, method, None)
        if call is not None:
            await in_time(self._clock, START_WITHIN, call())


def no_grant(name: str) -> str:
    """Say why a plugin is out of place under [relay]."""
    return f"{name} provides no IRelayGrant, so it can't let anything be sent on: leave it out"


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
    except (Exception, SystemExit) as error:
        raise PluginError(f"plugin {found.name} can't be made: {type(error).__name__}: {error}") from error
    verified(found.name, acts)
    table = found.table
    abstains = found.kind.abstains if table.on_error is None else table.on_error == "abstain"
    timeout = found.kind.timeout if table.timeout is None else table.timeout
    return Plugin(found.name, acts, timeout, abstains, table.may_send_anywhere)
