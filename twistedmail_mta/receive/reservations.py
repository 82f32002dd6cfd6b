"""Room that is kept in mailboxes from RCPT until the message is in."""

from __future__ import annotations

from collections.abc import Sequence

from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IQuotas
from twistedmail_mta.model import Delivery, Reply


class Reservations:
    """What one transaction has reserved."""

    __slots__ = ("_quotas", "_reserved", "_size")

    def __init__(self, quotas: IQuotas, size: int) -> None:
        """Begin with nothing.

        Args:
            quotas: decide.
            size: octets that SIZE announced; 0 without it.
        """
        self._quotas = quotas
        self._size = size
        self._reserved: list[Sequence[Delivery]] = []

    async def reserve(self, deliveries: Sequence[Delivery]) -> None:
        """Keep room in mailboxes; of those of an alias for several one that has room is enough.

        Raises:
            MailError: there is none.
        """
        refusal = await self._no_room_in(deliveries)
        if refusal is None:
            return
        if len(deliveries) > 1:
            with_room = [each for each in deliveries if await self._no_room_in((each,)) is None]
            if with_room:
                return
        raise MailError(refusal)

    async def _no_room_in(self, deliveries: Sequence[Delivery]) -> Reply | None:
        refusal = await self._quotas.reserve(deliveries, self._size)
        if refusal is None:
            self._reserved.append(deliveries)
        return refusal

    def give_away(self) -> Reservations:
        """Return what is reserved as somebody else's to release; nothing is left here."""
        given = Reservations(self._quotas, self._size)
        given._reserved, self._reserved = self._reserved, []
        return given

    def release(self) -> None:
        """Give back all of it: the message is in, or it never will be."""
        reserved, self._reserved = self._reserved, []
        for deliveries in reserved:
            self._quotas.release(deliveries, self._size)
