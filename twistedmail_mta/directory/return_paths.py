"""Senders of forwarded mail at domains of ours: made for the way out, and read when a report comes back to one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.directory.cache import WeighedCache
from twistedmail_mta.directory.srs_rows import keep_sender, kept_secret, stored_sender
from twistedmail_mta.errors import PermanentError, TemporaryError
from twistedmail_mta.interfaces import IDatabase, IReturnPaths
from twistedmail_mta.mail.srs import DAY, Rewriting, SRSError, fits, has_form
from twistedmail_mta.model import Address, Reply

NOT_OURS: Final = Reply(550, "5.1.1", "No such address here, or it is good no more")
TOO_MANY: Final = Reply(450, "4.7.1", "Too many reports for that address, please try again in an hour")

MOST_IN_AN_HOUR: Final = 1000
"""Reports to one sender, as RCPT names them: next hops that ask whether a sender is there count, too."""
HOUR: Final = 3600
SECRET_OCTETS: Final = 32
SHORTEST: Final = 16
"""Characters of a secret in a file."""

_MOST_REMEMBERED: Final = 10_000


def read_secrets(file: Path) -> tuple[bytes, ...]:
    """Return the secrets in a file, one a line; blocks.

    Raises:
        OSError: it can't be read.
        ValueError: there is none, or one is too short.
    """
    lines = [line.strip() for line in file.read_bytes().splitlines()]
    found = tuple(line for line in lines if line)
    if not found or min(map(len, found)) < SHORTEST:
        raise ValueError(f"{file} must hold secrets of at least {SHORTEST} characters, one a line, the newest first")
    return found


@implementer(IReturnPaths)
class ReturnPaths:
    """Rewrites senders, and finds out who they were.

    Those whose rewritten form would be longer than 64 octets are kept in the
    database, and a key stands for them.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, database: IDatabase, now: Callable[[], float], file_secrets: tuple[bytes, ...] = ()) -> None:
        """Make it; nothing can be rewritten or read before `begin`.

        Args:
            database: has the secret, and long senders.
            now: seconds since the epoch.
            file_secrets: go before the database's: the first makes hashes, each is good for checking them.
        """
        self._database = database
        self._now = now
        self._rewriting = Rewriting(file_secrets)
        self._kept: WeighedCache[Address, float] = WeighedCache(_MOST_REMEMBERED)
        self._reports: WeighedCache[Address, tuple[float, int]] = WeighedCache(_MOST_REMEMBERED)

    async def begin(self) -> None:
        """Read the secret of the database; make it where there is none yet.

        Raises:
            TemporaryError: it can't be read or written.
        """
        fresh = secrets.token_bytes(SECRET_OCTETS)
        kept = await self._database.write(partial(kept_secret, fresh=fresh))
        self._rewriting = Rewriting((*self._rewriting.secrets, kept))

    async def rewritten(self, sender: Address, domain: str) -> Address:
        """Return what stands for a sender.

        Args:
            sender: not the null one, and at no domain of ours.
            domain: of ours.

        Raises:
            TemporaryError: it has to be kept, and can't be now.
        """
        now = self._now()
        made = self._rewriting.rewritten(sender, domain, now)
        if fits(made):
            return made
        key = self._rewriting.key(sender)
        today = now - now % DAY
        if self._kept.get(sender) != today:
            await self._database.write(partial(keep_sender, key=key, sender=sender, now=now))
            self._kept.put(sender, today)
        return self._rewriting.standing_for(key, domain, now)

    def claims(self, address: Address) -> bool:
        """See `IReturnPaths.claims`."""
        return has_form(address.local)

    async def original(self, address: Address) -> Address:
        """See `IReturnPaths.original`."""
        try:
            found = self._rewriting.original(address.local, self._now())
            sender = found if found.domain else await self._stored(found.local)
        except SRSError as error:
            self.log.info(
                "<{recipient}> stands for no sender: {reason}",
                event="srs.refused",
                recipient=str(address),
                reason=str(error),
            )
            raise PermanentError(NOT_OURS) from None
        self._count(sender)
        self.log.info(
            "a report for <{recipient}> goes back to <{sender}>",
            event="srs.returned",
            recipient=str(address),
            sender=str(sender),
        )
        return sender

    async def _stored(self, key: str) -> Address:
        """Return the sender under a key.

        Raises:
            SRSError: there is none.
        """
        found = await self._database.read(partial(stored_sender, key=key))
        if found is None:
            raise SRSError("nothing is stored for it any more")
        return found

    def _count(self, sender: Address) -> None:
        hour = self._now() // HOUR
        known_hour, count = self._reports.get(sender) or (hour, 0)
        count = count if known_hour == hour else 0
        if count >= MOST_IN_AN_HOUR:
            raise TemporaryError(TOO_MANY)
        self._reports.put(sender, (hour, count + 1))
