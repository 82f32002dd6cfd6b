"""Refuses mail that plugins would be asked about while the process holds too much memory.

A plugin that keeps what it should forget ends with the whole server, unless
somebody notices before the system does.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.model import Reply
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.tasks import TaskGroup, WorkerPool

SHORT: Final = Reply(452, "4.3.1", "Insufficient system resources, please try again later")

SHARE: Final = 0.5
"""Of the memory that the process may have at all: how much it may hold before mail is refused."""

LOOK_EVERY: Final = 0.1
"""Seconds between two looks at how much it holds."""

TELL_EVERY: Final = 600.0
"""Seconds between two reports of who holds how much."""

MOST_OBJECTS: Final = 2_000_000
"""How many objects of one plugin are counted."""

_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUPS: Final = Path("/proc/self/cgroup")
_HELD: Final = Path("/proc/self/statm")
_PAGE: Final = resource.getpagesize()
_NOT_COUNTED: Final = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)


def resident() -> int:
    """Return how many octets of memory this process holds."""
    return int(_HELD.read_text().split()[1]) * _PAGE if _HELD.exists() else 0


class MemoryWatch:
    """Knows whether memory is short.

    Attributes:
        most: octets that the process may hold.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - one caller
        self,
        most: int,
        clock: IReactorTime,
        plugins: Callable[[], Iterable[Plugin]],
        tasks: TaskGroup,
        threads: WorkerPool,
        held: Callable[[], int] = resident,
    ) -> None:
        """Begin to look.

        Args:
            most: octets that the process may hold.
            clock: for not looking at every mail.
            plugins: returns those that run.
            tasks: for the report.
            threads: on one of these it is made.
            held: returns how many octets the process holds.
        """
        self.most = most
        self._clock = clock
        self._plugins = plugins
        self._tasks = tasks
        self._threads = threads
        self._held = held
        self._looked_at = self._told_at = float("-inf")
        self._short = False

    def refusal(self) -> Reply | None:
        """Return why no mail is taken now, or None."""
        now = self._clock.seconds()
        if now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            self._look(now)
        return SHORT if self._short else None

    def _look(self, now: float) -> None:
        held = self._held()
        if self._short and held <= self.most:
            self.log.info("memory is enough again: {held} MB are held", event="memory.enough", held=held >> 20)
        self._short = held > self.most
        if self._short and now - self._told_at >= TELL_EVERY:
            self._told_at = now
            self._tasks.start("memory.tell", self._tell(held))

    async def _tell(self, held: int) -> None:
        """Say that memory is short, and which plugins hold how much of it."""
        of_plugins = await self._threads.run(_by_plugin, tuple(self._plugins()))
        self.log.error(
            "memory is short: {held} MB are held, {most} MB may be; listeners with plugins take no mail; "
            "plugins hold about {plugins}",
            event="memory.short",
            held=held >> 20,
            most=self.most >> 20,
            plugins=", ".join(f"{name} {size >> 20} MB" for name, size in of_plugins),
        )


def _by_plugin(plugins: Iterable[Plugin]) -> list[tuple[str, int]]:
    sizes = [(plugin.name, held_by(plugin.acts)) for plugin in plugins]
    return sorted(sizes, key=lambda each: -each[1])


def held_by(acts: object) -> int:
    """Return about how many octets a plugin's object and the globals of its module lead to.

    What the server or Twisted made leads everywhere, and isn't followed.
    """
    waiting: list[Any] = [acts, *_globals_of(type(acts).__module__)]
    seen = {id(each) for each in waiting}
    size = 0
    while waiting and len(seen) < MOST_OBJECTS:
        each = waiting.pop()
        size += sys.getsizeof(each)
        for other in gc.get_referents(each):
            if id(other) not in seen and _counts(other):
                seen.add(id(other))
                waiting.append(other)
    return size


def _globals_of(name: str) -> Iterator[object]:
    """Yield what a module that isn't the server's has made; what the interpreter put there leads everywhere."""
    module = None if _is_servers(name) else sys.modules.get(name)
    for key, value in list(vars(module).items()) if module is not None else ():
        if not key.startswith("__") and _counts(value):
            yield value


def _counts(value: object) -> bool:
    return not isinstance(value, _NOT_COUNTED) and not _is_servers(type(value).__module__)


def _is_servers(module: str) -> bool:
    package, _, rest = module.partition(".")
    return package in {"twisted", "zope", "apsw"} or (package == "twistedmail_mta" and not rest.startswith("policy."))


def available(groups: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Return how many octets this process may have at all: the machine's, or less in a container or a unit.

    Args:
        groups: where the system shows its control groups.
        own: where it names those of the process, one a line: `0::/system.slice/mta.service`.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    names = [line.split(":", 2)[2].strip("/") for line in own.read_text().splitlines()] if own.exists() else []
    paths = {groups / "memory/memory.limit_in_bytes", groups / "memory.max"}
    for name in names:
        paths |= {groups / each / "memory.max" for each in (name, *map(str, PurePosixPath(name).parents))}
        paths |= {groups / "memory" / name / "memory.limit_in_bytes"}
    limits = [int(text) for path in paths if path.exists() and (text := path.read_text().strip()).isdigit()]
    return min([machine, *limits])
