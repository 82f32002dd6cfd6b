"""How far a change of many recipients is, for who looks at it on a screen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from twistedmail_mta.cli.progress import progress

MANY: Final = 2000
"""Recipients from which on a screen shows how far their change is; fewer take no time."""


@contextmanager
def shown(action: str, count: Callable[[], int]) -> Iterator[Callable[[int], None]]:
    """Show on a screen how far a change of many recipients is, as long as the context lasts.

    They are counted first, which takes little beside the change.

    Args:
        action: what is done.
        count: counts the recipients that it is done to; called where there is a screen.
    """
    total = count() if sys.stderr.isatty() else 0
    if total < MANY:
        yield lambda _: None
        return
    with progress() as bar:
        bar.begin(action, total)
        yield bar.advance
