"""Finding the parts of a message without keeping others waiting."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.mail.structure import BodyScanner
from twistedmail_mta.tasks import sleep

STRIDE: Final = 8 * 1024
"""Octets looked at in one go: with a thousand parts in them about as long as the reactor may be busy at once."""
PATIENCE: Final = 0.001
"""Seconds of work after which others go first."""


async def scan(scanner: BodyScanner, block: bytes, clock: IReactorTime) -> None:
    """Show a scanner the next octets; where it has much to do with them, others go on in between."""
    if not scanner.searches:
        scanner.add(block)
        return
    for start in range(0, len(block), STRIDE):
        began = clock.seconds()
        scanner.add(block[start : start + STRIDE])
        if clock.seconds() - began > PATIENCE:
            await sleep(clock, 0)
