"""What operators do, noted by the commands themselves: also while no server runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.history import tables
from twistedmail_mta.history.keys import outcome_key
from twistedmail_mta.history.story import Kind, Row, act_outcome, packed
from twistedmail_mta.history.writer import Batch, write_batch
from twistedmail_mta.store.aside import AsideDatabase
from twistedmail_mta.store.schema import SchemaError, UnusableDatabase


def act_rows(act: str, messages: Iterable[int], now: float) -> list[Row]:
    """Return the steps that tell of something done to recipients.

    Args:
        act: what, in a word or two.
        messages: the id of each recipient's message.
        now: seconds since the epoch.
    """
    counts: dict[int, int] = {}
    for message in messages:
        counts[message] = counts.get(message, 0) + 1
    nothing = (None,) * 8
    return [
        (message, int(now * 1e6), Kind.operator, *nothing, packed([act, number])) for message, number in counts.items()
    ]


def act_keys(act: str) -> tuple[int, ...]:
    """Return the keys by which such messages are found."""
    outcome = act_outcome(act)
    return () if outcome is None else (outcome_key(outcome),)


def acts_in(state_dir: Path, warn: Callable[[str], object]) -> Callable[[str, Iterable[int]], None]:
    """Return what notes acts in the history of a state directory, if there is one.

    Args:
        state_dir: where it is.
        warn: told why something couldn't be noted; it was done all the same.
    """
    path = state_dir / tables.NAME
    opened: list[AsideDatabase] = []

    def note(act: str, messages: Iterable[int]) -> None:
        if not path.exists():
            return
        try:
            if not opened:
                opened.append(AsideDatabase(path, tables.MIGRATIONS))
            steps = act_rows(act, messages, time.time())
            batch = Batch(steps=steps, terms=[(step[0], key) for step in steps for key in act_keys(act)])
            opened[0].write(lambda tx: write_batch(tx, batch))
        except (TemporaryError, UnusableDatabase, SchemaError, OSError) as error:
            warn(f"this isn't noted in the history: {error}")

    return note
