"""Runs the reactor for as long as a command has to wait for the network."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import click

from twistedmail_mta.cli.offline import finished
from twistedmail_mta.dns.exchange import IReactorDNS
from twistedmail_mta.tasks import Task

T = TypeVar("T")


def waited_for(work: Callable[[IReactorDNS], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, and return what it returned; once in the life of a process.

    Args:
        work: makes the coroutine, given the reactor.

    Raises:
        Abort: the operator ended it with Ctrl-C.
    """
    from twisted.internet import reactor as running  # noqa: PLC0415 - commands that don't wait needn't load it

    reactor: Any = running
    tasks: list[Task[T]] = []

    def begin() -> None:
        task = Task("command", work(cast(IReactorDNS, reactor)))
        tasks.append(task)
        if task.done:
            reactor.stop()
        else:
            task.when_done(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if not tasks or not tasks[0].done:
        raise click.Abort
    return finished(_outcome(tasks[0]))


async def _outcome(task: Task[T]) -> T:
    return await task
