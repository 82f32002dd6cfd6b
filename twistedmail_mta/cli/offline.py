"""The seams of the server, done at once: the same code then works without a reactor."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import click
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twistedmail_mta.control.client import tell
from twistedmail_mta.history.acts import acts_in
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.model import Reply
from twistedmail_mta.spool.control import QueueControl, Wishes
from twistedmail_mta.spool.quarantine import Quarantine
from twistedmail_mta.spool.tenure import boot_name
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.files import BODIES_NAME
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import WorkerPool

P = ParamSpec("P")
T = TypeVar("T")


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never has to wait, and return what it returned."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coroutine.close()
    raise RuntimeError("a coroutine waited where nothing can come")


@implementer(IDatabase)
class ImmediateDatabase:
    """An `IDatabase` whose answers are there at once."""

    def __init__(self, database: SyncDatabase) -> None:
        self._database = database

    async def write(self, function: Callable[[Transaction], T], urgent: bool = False, size: int = 0) -> T:  # noqa: ARG002 - as IDatabase has it
        """Run `function` in a transaction."""
        return self._database.write(function, urgent)

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """Run `function` on one consistent state."""
        return self._database.read(function)

    def refusal(self) -> Reply | None:
        """Operators are never refused beforehand."""
        return None


class ImmediatePool:
    """A pool of no threads: it runs what it is given."""

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function`."""
        return function(*args, **kwargs)


class WallClock:
    """The time of day, for what only looks at it."""

    def seconds(self) -> float:
        """Return seconds since the epoch."""
        return time.time()


def body_store(state_dir: Path) -> BodyStore:
    """Return the large bodies of a state directory."""
    return BodyStore(cast(WorkerPool, ImmediatePool()), state_dir / BODIES_NAME)


def quarantine_hand(database: SyncDatabase, state_dir: Path) -> Quarantine:
    """Return a hand on the quarantine that tells a running server what it lets out."""

    def wake_server() -> None:
        tell(state_dir, "queue.look")

    clock = cast(IReactorTime, WallClock())
    return Quarantine(
        *(ImmediateDatabase(database), body_store(state_dir), clock, time.monotonic, boot_name(), wake_server),
        acts_in(state_dir, _warn),
    )


def queue_control(database: SyncDatabase, state_dir: Path) -> QueueControl:
    """Return a hand on the queue that tells a running server what it does."""
    bodies = body_store(state_dir)

    def tell_server(wishes: Wishes, wanted: bool) -> None:
        tell(state_dir, "queue.changed", {"recipients": list(wishes), "wanted": wanted})

    def wake_server() -> None:
        tell(state_dir, "queue.look")

    clock = cast(IReactorTime, WallClock())
    return QueueControl(
        *(ImmediateDatabase(database), bodies, clock, time.monotonic, boot_name(), tell_server, wake_server),
        acts_in(state_dir, _warn),
    )


def _warn(words: str) -> None:
    click.echo(f"Warning: {words}", err=True)
