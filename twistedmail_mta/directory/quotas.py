"""Quotas: whether there is room for a message, decided at RCPT and kept until the message is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from zope.interface import implementer

from twistedmail_mta.directory.limits import NO_LIMITS, Limits
from twistedmail_mta.directory.resolution import Directory
from twistedmail_mta.interfaces import IDatabase, IQuotas, Transaction
from twistedmail_mta.model import Delivery, Reply

FULL_NOW: Final = Reply(452, "4.2.2", "The mailbox is full, please try again later")
FULL: Final = Reply(552, "5.2.2", "The mailbox is full")
TOO_LARGE: Final = Reply(552, "5.2.3", "The message is larger than the whole mailbox may become")

_TOLERANCE: Final = 10
"""An account that isn't full yet may get this part of its quota more than that: SIZE may be absent or wrong."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account holds, and what it may hold."""

    limits: Limits
    octets: int = 0
    messages: int = 0


@dataclass(slots=True)
class _Tally:
    """What is reserved in one account.

    `released` counts what was given back: a count of what the account holds
    that began to be read before a message came in doesn't have it, and the
    reservation is gone by then.
    """

    octets: int = 0
    messages: int = 0
    released_octets: int = 0
    released_messages: int = 0
    users: int = 0


@implementer(IQuotas)
class Quotas:
    """Decides whether there is room; accounts without a quota cost nothing."""

    def __init__(self, database: IDatabase, directory: Directory) -> None:
        """Decide by what the database says that accounts hold, and what the directory says they may."""
        self._database = database
        self._directory = directory
        self._tallies: dict[int, _Tally] = {}

    async def reserve(self, deliveries: Sequence[Delivery], size: int) -> Reply | None:
        """Reserve room in every account of `deliveries`, or return why there is none (`IQuotas.reserve`)."""
        limited = await self._limited(deliveries)
        begun = {delivery.account: self._use(delivery.account) for delivery in deliveries}
        refusal: Reply | None = FULL_NOW
        try:
            refusal = await self._refusal(limited, begun, size) if limited else None
        finally:
            if refusal is not None:
                self._leave(begun)
        if refusal is None:
            for account in begun:
                tally = self._tallies[account]
                tally.octets += size
                tally.messages += 1
        return refusal

    def release(self, deliveries: Sequence[Delivery], size: int) -> None:
        """Give back what was reserved (`IQuotas.release`)."""
        accounts = {delivery.account for delivery in deliveries}
        for account in accounts:
            tally = self._tallies[account]
            tally.octets -= size
            tally.messages -= 1
            tally.released_octets += size
            tally.released_messages += 1
        self._leave(accounts)

    async def usage(self, account: int) -> Usage:
        """Return what an account holds and may hold; what is reserved there doesn't count.

        Raises:
            TemporaryError: it can't be read now.
        """
        limits = (await self._limits_of([account])).get(account, NO_LIMITS)
        usage = await self._database.read(partial(usage_of, accounts=[account]))
        return Usage(limits, *usage.get(account, (0, 0)))

    async def refusal_of_copies(self, account: int, octets: int, messages: int) -> Reply | None:
        """Return why an account has no room for copies of its own messages, or None; nothing is reserved.

        Raises:
            TemporaryError: it can't be read now.
        """
        limits = (await self._limits_of([account])).get(account)
        if limits is None or not messages:
            return None
        usage = await self._database.read(partial(usage_of, accounts=[account]))
        held, count = usage.get(account, (0, 0))
        tally = self._tallies.get(account, _Tally())
        refusal = refusal_of(limits, held + tally.octets, count + tally.messages + messages - 1, octets)
        return FULL if refusal is TOO_LARGE else refusal

    async def _limited(self, deliveries: Sequence[Delivery]) -> dict[int, Limits]:
        return await self._limits_of([delivery.account for delivery in deliveries])

    async def _limits_of(self, accounts: Iterable[int]) -> dict[int, Limits]:
        """Return the limits of those accounts that have any; no read for what was resolved lately."""
        known = self._directory.known_limits(accounts)
        unknown = [account for account, limits in known.items() if limits is None]
        found = known | (await self._directory.limits(unknown) if unknown else {})
        return {account: limits for account, limits in found.items() if limits is not None and limits.any}

    async def _refusal(
        self, limited: Mapping[int, Limits], begun: Mapping[int, tuple[int, int]], size: int
    ) -> Reply | None:
        usage = await self._database.read(partial(usage_of, accounts=limited))
        for account, limits in limited.items():
            tally, (octets, messages) = self._tallies[account], usage.get(account, (0, 0))
            octets += tally.octets + tally.released_octets - begun[account][0]
            messages += tally.messages + tally.released_messages - begun[account][1]
            refusal = refusal_of(limits, octets, messages, size)
            if refusal is not None:
                return refusal
        return None

    def _use(self, account: int) -> tuple[int, int]:
        tally = self._tallies.setdefault(account, _Tally())
        tally.users += 1
        return tally.released_octets, tally.released_messages

    def _leave(self, accounts: Iterable[int]) -> None:
        for account in accounts:
            tally = self._tallies[account]
            tally.users -= 1
            if not tally.users:
                del self._tallies[account]


def refusal_of(limits: Limits, octets: int, messages: int, size: int) -> Reply | None:
    """Return why an account has no room for a message, or None.

    Args:
        limits: what it may hold.
        octets: what it holds, and what is reserved in it.
        messages: likewise.
        size: octets of the message; 0 when nobody knows.
    """
    full = FULL if limits.over_quota == "reject" else FULL_NOW
    if limits.messages is not None and messages >= limits.messages:
        return full
    if limits.octets is None:
        return None
    most = limits.octets + limits.octets // _TOLERANCE
    if size > most:
        return TOO_LARGE
    return full if octets >= limits.octets or octets + size > most else None


def usage_of(transaction: Transaction, accounts: Iterable[int]) -> Mapping[int, tuple[int, int]]:
    """Return the octets and messages that accounts hold; those that hold nothing may be missing."""
    # One by one: of an equality alone SQLite takes notice within the view, else it adds up all accounts.
    rows = transaction.executemany(
        "SELECT account, octets, messages FROM usage WHERE account = ?", [(account,) for account in accounts]
    )
    return {account: (octets, messages) for account, octets, messages in rows}
