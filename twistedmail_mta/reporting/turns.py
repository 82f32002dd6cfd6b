"""Much that is to be done, a little of it at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twistedmail_mta.tasks import Cancelled, TaskGroup


async def at_once(most: int, name: str, turn: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Take so many turns beside each other, and wait for the end of all; a cancel ends them.

    Args:
        most: how many.
        name: what they are called where tasks are named.
        turn: does one thing after another, until there is nothing left to do.

    Raises:
        Exception: what one of them raised, when the others have ended, too.
    """
    group = TaskGroup()
    turns = [group.shield(name, turn()) for _ in range(most)]
    try:
        await group.finish()
    except Cancelled:
        group.cancel()
        raise
    for each in turns:
        await each
