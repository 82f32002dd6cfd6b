"""Finds the plugins that the site file names, and makes them; one that can't be had stops the start."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface, Invalid
from zope.interface.verify import verifyObject

from twistedmail_mta.interfaces import IAccountMail, IDatabase, IEvaluations, IHTTPClient, INotices, IResolver
from twistedmail_mta.plugin_code import first_in
from twistedmail_mta.shipped import SHIPPED
from twistedmail_mta.stages import stages_of
from twistedmail_mta.tasks import TaskGroup, WorkerPool

T = TypeVar("T")

GROUP: Final = "twistedmail_mta.plugins"
"""The group of entry points by which installed packages offer plugins."""


OWN_KEYS: Final = frozenset({"use", "timeout", "on_error", "may_send_anywhere"})
"""What the site file says of any plugin; whatever else it says is for the plugin itself."""

USUAL_TIMEOUT: Final = 10.0
"""Seconds that one call of a plugin may take, where neither it nor the site file says."""

_NAME: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_USE: Final = re.compile(f"{_NAME}:{_NAME}")
_UNSAFE: Final = re.compile(r"[^a-z0-9]")


class PluginError(Exception):
    """A plugin that can't be used; the text says why."""


class UnusablePlugins(PluginError):
    """Some plugins of a site that can't be used.

    Attributes:
        reasons: the key path and the reason for each.
    """

    def __init__(self, reasons: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {reason}" for path, reason in reasons))
        self.reasons = tuple(reasons)


class NoOptions(BaseModel, extra="forbid", frozen=True):
    """The options of a plugin that has none."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What a plugin is given when it is made; nothing is global.

    Attributes:
        name: what the site file calls it.
        hostname: ours, as in EHLO.
        clock: for waiting and timers, in seconds.
        now: seconds since the epoch.
        resolver: questions to the DNS, cached.
        http: questions to web services.
        database: rows that last; a plugin's tables are those its `migrations` make.
        tasks: for coroutines that nobody awaits; they are cancelled when the plugin has stopped.
        log: writes to the server's log.
        prefix: what the names of its tables begin with: `{plugin}` of its migrations.
        account_mail: the queued mail of accounts; None where there is no queue.
        notices: mail to the administrator; None where no server runs.
        evaluations: counts what DMARC found, for reports to domains; None where none are sent.
        rehearsal: the plugin is asked in a dry run alone, and must leave no trace of that.
    """

    name: str
    hostname: str
    clock: IReactorTime
    now: Callable[[], float]
    resolver: IResolver
    http: IHTTPClient
    database: IDatabase
    tasks: TaskGroup
    log: Logger
    prefix: str
    _threads: WorkerPool
    account_mail: IAccountMail | None = None
    notices: INotices | None = None
    evaluations: IEvaluations | None = None
    rehearsal: bool = False

    async def run_in_thread(self, function: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 - the function's
        """Call what takes long on a thread, and return what it returns.

        Raises:
            TemporaryError: too many calls wait already.
        """
        return await self._threads.run(function, *arguments)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plugin, found by its name.

    Attributes:
        make: makes one of its options and a kit.
        options: the model of its options.
        migrations: SQL that makes and changes its tables, applied in order, each once; `{plugin}` is what the
            names of its tables begin with.
        abstains: whether its errors count as no answer, where the site file doesn't say; else they delay mail.
        timeout: seconds that one call may take, where the site file doesn't say.
        rehearses: it can be asked in a dry run and leave no trace of that.
    """

    make: Callable[[Any, Kit], Any]
    options: type[BaseModel]
    migrations: Sequence[str]
    abstains: bool
    timeout: float
    rehearses: bool = True


def find(use: str, path: Sequence[Path] = ()) -> Kind:
    """Return the kind of plugin that a site file names.

    Args:
        use: the name of one that ships, or of an entry point in the group `GROUP`, or `module:attribute`.
        path: folders in which modules are looked for first.

    Raises:
        PluginError: there is none, it can't be imported, or it is none.
    """
    return kind_of(_imported(use, path) if ":" in use else _offered(use), use)


def kind_of(found: object, use: str) -> Kind:
    """Return what makes plugins of a kind.

    Args:
        found: what is to make them.
        use: what to call it.

    Raises:
        PluginError: it can't.
    """
    if not callable(found):
        raise PluginError(f"{use} is no class or function that makes a plugin")
    on_error = getattr(found, "on_error", "refuse")
    if on_error not in {"refuse", "abstain"}:
        raise PluginError(f'{use}: on_error must be "refuse" or "abstain"')
    timeout = getattr(found, "timeout", USUAL_TIMEOUT)
    if not isinstance(timeout, float) or timeout <= 0:
        raise PluginError(f"{use}: timeout must be seconds, a float")
    rehearses = getattr(found, "rehearses", True)
    if not isinstance(rehearses, bool):
        raise PluginError(f"{use}: rehearses must be True or False")
    return Kind(found, _options(use, found), _migrations(use, found), on_error == "abstain", timeout, rehearses)


def _options(use: str, found: object) -> type[BaseModel]:
    """Return the model of a plugin's options; none of them can have the name of a key that every plugin has."""
    options = getattr(found, "Options", NoOptions)
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        raise PluginError(f"{use}: Options must be a model of pydantic's")
    if taken := sorted(OWN_KEYS & options.model_fields.keys()):
        raise PluginError(f"{use}: {', '.join(taken)} means something for every plugin, and can't be an option")
    return options


def _migrations(use: str, found: object) -> tuple[str, ...]:
    """Return what makes a plugin's tables; a migration that names none of its own would make them elsewhere."""
    migrations = getattr(found, "migrations", ())
    if isinstance(migrations, str) or not all(isinstance(each, str) and "{plugin}" in each for each in migrations):
        raise PluginError(f"{use}: migrations must be a tuple of texts, each of tables that begin with {{plugin}}")
    return tuple(migrations)


def _offered(name: str) -> object:
    """Return one by its name; no installed package can put its own in the place of one that ships."""
    if name in SHIPPED:
        return _imported(SHIPPED[name], ())
    points = entry_points(group=GROUP, name=name)
    if not points:
        raise PluginError(_unknown(name))
    if len({point.value for point in points}) > 1:
        places = ", ".join(sorted(point.value for point in points))
        raise PluginError(f"{name} is offered by several installed packages; choose one of {places}")
    return _loaded(name, next(iter(points)).load)


def _unknown(name: str) -> str:
    known = sorted({*SHIPPED, *(point.name for point in entry_points(group=GROUP))})
    near = difflib.get_close_matches(name, known, n=1)
    others = f"known are: {', '.join(known) or 'none'}; what a file of plugin_path has is module:Class"
    return f"{name} is offered by no installed package; {f'did you mean {near[0]}?' if near else others}"


def _imported(use: str, path: Sequence[Path]) -> object:
    module, _, attribute = use.partition(":")
    if not _USE.fullmatch(use):
        raise PluginError(f"{use} must be a name, or module:attribute")
    with first_in(path):
        found = _loaded(use, lambda: importlib.import_module(module))
    place = getattr(found, "__file__", None) or "Python itself"
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise PluginError(f"{module}, which is {place}, has no {attribute}")
        found = getattr(found, name)
    return found


def _loaded(use: str, load: Callable[[], object]) -> object:
    try:
        return load()
    except KeyboardInterrupt:
        raise  # of whoever waits at a terminal
    except BaseException as error:
        raise PluginError(f"{use} can't be imported: {type(error).__name__}: {error}") from error


def verified(name: str, plugin: object) -> tuple[type[Interface], ...]:
    """Return the stages at which a plugin acts.

    Raises:
        PluginError: it acts at none, or not as it should.
    """
    stages = tuple(stages_of(plugin))
    if not stages:
        raise PluginError(f"plugin {name} provides none of the stages' interfaces")
    for stage in stages:
        (method,) = stage.names()
        if not iscoroutinefunction(getattr(plugin, method, None)):
            raise PluginError(f"plugin {name}: {method}, of {stage.__name__}, must be an async method")
        try:
            verifyObject(stage, plugin)
        except Invalid as error:
            wanted = f"{method}{stage[method].getSignatureString()}"
            raise PluginError(f"plugin {name}: {stage.__name__} wants {wanted}") from error
    for method in ("start", "stop", "answer"):
        if hasattr(plugin, method) and not iscoroutinefunction(getattr(plugin, method)):
            raise PluginError(f"plugin {name}: {method} must be an async method")
    for method in ("inherit", "rehearse"):
        if hasattr(plugin, method) and iscoroutinefunction(getattr(plugin, method)):
            raise PluginError(f"plugin {name}: {method} must be no async method: it waits for nothing")
    return stages


def table_prefix(name: str) -> str:
    """Return what the names of a plugin's tables begin with."""
    return f"plugin_{_UNSAFE.sub('_', name.lower())}_"


def options_of(kind: Kind, values: Mapping[str, Any], context: Mapping[str, Any]) -> BaseModel:
    """Read the options of a plugin.

    Raises:
        ValidationError: of pydantic's, with every mistake.
    """
    return kind.options.model_validate(dict(values), context=dict(context))
