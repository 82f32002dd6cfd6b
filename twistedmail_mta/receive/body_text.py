"""The body of a message that arrives, as plugins read it."""

from __future__ import annotations

from dataclasses import dataclass

from twistedmail_mta.interfaces import IBodyStore
from twistedmail_mta.model import Body


@dataclass(frozen=True, slots=True)
class BodyText:
    """A body that is complete; see `stages.Body`."""

    bodies: IBodyStore
    body: Body

    @property
    def size(self) -> int:
        """Return the number of octets."""
        return self.body.size

    async def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` octets from `offset` on."""
        return await self.bodies.read(self.body, offset, size)
