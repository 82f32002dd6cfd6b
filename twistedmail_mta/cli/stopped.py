"""What some commands demand: that no server runs."""

from __future__ import annotations

from pathlib import Path

import click

from twistedmail_mta.control.client import ControlClient, NotRunningError, RefusedError


def demand_stopped(state_dir: Path, words: str) -> None:
    """See to it that no server runs on a state directory.

    Args:
        state_dir: which.
        words: said if one does.

    Raises:
        ClickException: with those words.
    """
    try:
        with ControlClient(state_dir):
            pass
    except NotRunningError:
        return
    except RefusedError:
        pass  # it runs, and is of another release or busy
    raise click.ClickException(words)
