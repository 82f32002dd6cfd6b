"""A kind of report that the site file doesn't want: nothing of it is made, and what was kept for it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.reporting.kind import Sendings


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Forgets in the days after reports were turned off what was counted before.

    Attributes:
        name: see `ReportKind.name`.
        forgotten: deletes some of what was kept of days before one, as `ReportKind.forget` does.
    """

    name: str
    forgotten: Callable[[Transaction, int], bool]

    async def keep(self) -> None:
        """There is nothing."""

    def subjects(self, tx: Transaction, day: int, most: int) -> Sequence[str]:  # noqa: ARG002 - of the interface
        """There are none."""
        return ()

    async def sendings(self, day: int, subject: str) -> Sendings:  # noqa: ARG002 - of the interface
        """Return that nothing is sent, also of what was due before."""
        return Sendings()

    def forget(self, tx: Transaction, before: int) -> bool:
        """See `ReportKind.forget`."""
        return self.forgotten(tx, before)
