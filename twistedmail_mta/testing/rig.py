"""A plugin, made as the server would make it, and asked by hand."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, cast

from zope.interface import Interface

from twistedmail_mta.config.plugging import Found, PluginTable
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.plugins import Kind, Kit, PluginError, find, kind_of, options_of, table_prefix
from twistedmail_mta.policy.running import inherit, made, migrate, rehearse
from twistedmail_mta.soundness import fits
from twistedmail_mta.tasks import Task, TaskGroup, WorkerPool
from twistedmail_mta.testing.surroundings import AtOnce, Log, Surroundings

T = TypeVar("T")

STEPS: Final = 1000
"""In how many steps `Rig.ask` lets time pass."""


class Asked(Generic[T]):
    """A question to a plugin that may have to wait."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._outcome: list[T] = []
        self._error: list[BaseException] = []
        self._task = Task("test", self._run(coroutine))

    async def _run(self, coroutine: Coroutine[Any, Any, T]) -> None:
        try:
            self._outcome.append(await coroutine)
        except BaseException as error:  # noqa: BLE001 - raised where the answer is wanted
            self._error.append(error)

    @property
    def done(self) -> bool:
        """Whether the answer is here."""
        return self._task.done

    @property
    def answer(self) -> T:
        """The answer; what the plugin raised is raised."""
        if not self.done:
            raise AssertionError("the plugin waits for something")
        if self._error:
            raise self._error[0]
        return self._outcome[0]

    def cancel(self) -> None:
        """Ask no more, as the server does when the client is gone or the time is over."""
        self._task.cancel()


class Rig:
    """One plugin with its options and what it is given.

    Attributes:
        name: what a site file would call it; its tables begin with `kit.prefix`.
        surroundings: time, names, web services, the database.
        clock: of those.
        kit: what it was made with.
        log: what it has said is `log.said`.
        plugin: the object.
        running: the same as the server holds it, with its time limit and counters.
    """

    def __init__(  # noqa: PLR0913 - all by name, and all may be left out
        self,
        use: str | Callable[[Any, Kit], Any],
        options: Mapping[str, Any] | None = None,
        *,
        name: str = "test",
        surroundings: Surroundings | None = None,
        path: Sequence[Path] = (),
        folder: Path = Path("/"),
        hostname: str = "mail.example.org",
        before: Rig | None = None,
        live: Rig | None = None,
        **table: Any,  # noqa: ANN401 - PluginTable's own
    ) -> None:
        """Make a plugin, its tables, and start it.

        Args:
            use: the class, or what the site file would say.
            options: its own, as the site file would have them.
            name: what the site file would call it.
            surroundings: what it is given; shared, if several plugins are to meet.
            path: where modules are looked for first.
            folder: where relative paths among its options begin.
            hostname: ours.
            before: the one that it follows, see `reloaded`.
            live: the one that it stands for in a dry run, see `rehearsal`.
            table: `timeout`, `on_error` and `may_send_anywhere`, as in the site file.

        Raises:
            PluginError: it can't be had.
            ValidationError: of pydantic's: the options are wrong.
        """
        self.name = name
        self.surroundings = surroundings or Surroundings()
        self.clock = self.surroundings.clock
        self.log = Log(f"plugin.{name}")
        self.kit = self._make_kit(hostname) if live is None else _kit_of_rehearsal(live, self.surroundings, self.log)
        self._place: dict[str, Any] = {"path": path, "folder": folder, "hostname": hostname}
        self._use, self._said = use, {**(options or {}), **table}
        kind: Kind = find(use, path) if isinstance(use, str) else kind_of(use, getattr(use, "__name__", repr(use)))
        said = PluginTable.model_validate({"use": str(use), **table, **(options or {})})
        found = Found(name, said, kind, options_of(kind, said.options, {"folder": folder}))
        self.running: Plugin = made(found, self.kit)
        self.plugin: Any = self.running.acts
        if before is not None:
            inherit(self.running, before.running)
        if live is not None:
            if not kind.rehearses:
                raise PluginError(f"{use} can't be asked in a dry run, as it says")
            rehearse(self.running, live.running)
        self.call(migrate(self.kit.database, name, kind.migrations))
        self.start()

    def _make_kit(self, hostname: str) -> Kit:
        around = self.surroundings
        return Kit(
            name=self.name,
            hostname=hostname,
            clock=around.clock,
            now=around.now,
            resolver=around.names,
            http=around.web,
            database=around.database,
            tasks=TaskGroup(),
            log=self.log,
            prefix=table_prefix(self.name),
            _threads=cast(WorkerPool, AtOnce()),
            account_mail=around.account_mail,
            notices=around.notices,
            evaluations=around.evaluations,
        )

    def start(self) -> None:
        """Start the plugin, as after a `stop`."""
        if hasattr(self.plugin, "start"):
            self.call(self.plugin.start())

    def reloaded(
        self,
        options: Mapping[str, Any] | None = None,
        use: str | Callable[[Any, Kit], Any] | None = None,
        **table: Any,  # noqa: ANN401 - PluginTable's own
    ) -> Rig:
        """Return the plugin that follows this one when the site file is read again; this one runs on until `stop`.

        Args:
            options: as they are then.
            use: the class as it is then; None: as it was.
            table: the rest, likewise.

        Raises:
            PluginError: it can't be had, or can't take over.
            ValidationError: of pydantic's: the options are wrong.
        """
        around, before = self.surroundings, self
        use = self._use if use is None else use
        return Rig(use, options, name=self.name, surroundings=around, before=before, **self._place, **table)

    def rehearsal(self) -> Rig:
        """Return the plugin that is asked in this one's place in a dry run, such as of `mta explain`.

        Its `surroundings.database` is a copy, so `rows` tells what it has written there, while this one's tells
        whether it left a trace.

        Raises:
            PluginError: it says that it can't be asked, or can't take what this one knows.
        """
        around = copy(self.surroundings)
        around.database = self.surroundings.database.copied()
        return Rig(self._use, name=self.name, surroundings=around, live=self, **self._place, **self._said)

    def stop(self) -> None:
        """Stop it."""
        if hasattr(self.plugin, "stop"):
            self.call(self.plugin.stop())
        self.kit.tasks.cancel()

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return rows of the plugin's tables; `{plugin}` is what their names begin with."""
        return self.surroundings.database.rows(sql.replace("{plugin}", self.kit.prefix), *parameters)

    def begin(self, stage: type[Interface], *values: object) -> Asked[Any]:
        """Ask at a stage; the answer may have to wait.

        Args:
            stage: its interface, such as `IRecipientPolicy`.
            values: what its method is told.
        """
        (method,) = stage.names()
        return Asked(self._checked(stage, getattr(self.plugin, method)(*values)))

    def ask(self, stage: type[Interface], *values: object, within: float = 60.0) -> Any:  # noqa: ANN401 - any answer
        """Ask at a stage; return the answer.

        What the plugin raises is raised; one that needs time gets it.

        Args:
            stage: its interface, such as `IRecipientPolicy`.
            values: what its method is told.
            within: seconds that may pass.
        """
        return self._wait(self.begin(stage, *values), within)

    def call(self, coroutine: Coroutine[Any, Any, T], within: float = 60.0) -> T:
        """Run a coroutine, such as one of the plugin's own methods, and return what it returns."""
        return self._wait(Asked(coroutine), within)

    def _wait(self, asked: Asked[T], seconds: float) -> T:
        for _ in range(STEPS):
            if asked.done:
                break
            self.clock.advance(seconds / STEPS)
        return asked.answer

    @staticmethod
    async def _checked(stage: type[Interface], answer: Coroutine[Any, Any, T]) -> T:
        """Return an answer; one that the server would take for a failure fails the test."""
        found = await answer
        if not fits(stage, found):
            raise AssertionError(f"{stage.__name__} can't be answered with {found!r:.200}")
        return found


def _kit_of_rehearsal(live: Rig, surroundings: Surroundings, log: Log) -> Kit:
    """Return what a plugin is given in a dry run: no hand on mail, and a database that is forgotten."""
    return replace(
        live.kit,
        database=surroundings.database,
        tasks=TaskGroup(),
        log=log,
        account_mail=None,
        notices=None,
        evaluations=None,
        rehearsal=True,
    )
