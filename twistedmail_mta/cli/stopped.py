"""What some commands demand: that no server runs, and that none starts meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from twistedmail_mta.control.lock import AlreadyRunningError, take_state_dir


@contextmanager
def stopped(state_dir: Path, words: str) -> Iterator[None]:
    """Have a state directory without a server as long as the context lasts.

    Args:
        state_dir: which.
        words: said if a server runs.

    Raises:
        ClickException: with those words.
        OSError: the directory can't be written.
    """
    try:
        lock = take_state_dir(state_dir)
    except AlreadyRunningError as error:
        raise click.ClickException(words) from error
    try:
        yield
    finally:
        os.close(lock)
