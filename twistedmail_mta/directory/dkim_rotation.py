"""The life of DKIM keys goes on: what the DNS shows begins to sign, what is old is made anew, then forgotten."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar, Final, Literal

from twisted.logger import Logger

from twistedmail_mta.directory.dkim_rows import (
    StoredKey,
    add_keys,
    in_use,
    keys_of,
    new_pair,
    next_generation,
    set_state,
    switch,
    waiting,
)
from twistedmail_mta.dkim.making import zone_text
from twistedmail_mta.dkim.showing import shown
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.model import Answer
from twistedmail_mta.tasks import WorkerPool

RETIRED_FOR: Final = 14 * 86400.0
"""Seconds for which a retired key stays published: mail that it signed may wait that long in queues on its way."""

_PUBLISH: Final = """\
New keys have been made to sign the mail of {domain}.  Please publish these records; a while after
that they sign, and the old ones are retired.  Leave the old records for two weeks more: mta dkim list
says when they aren't needed any more.

{records}
"""


class Rotation:
    """Looks at all keys now and then.

    A pair that the DNS shows is published; it signs if no other does, or if
    rotation is automatic.  Nothing signs that the DNS doesn't show.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - all that it is made of
        self,
        database: IDatabase,
        texts: Callable[[str], Awaitable[Answer[bytes]]],
        pool: WorkerPool,
        now: Callable[[], float],
        changed: Callable[[], None],
        tell: Callable[[str, str], Awaitable[None]],
        after: float | None = None,
    ) -> None:
        """Prepare.

        Args:
            database: where the keys are.
            texts: asks for TXT records, as `IResolver.texts` does.
            pool: threads that make keys.
            now: seconds since the epoch.
            changed: told when other keys sign.
            tell: writes to the administrator: a subject and a text.
            after: seconds after which a new pair is made; None: an operator makes it.
        """
        self._database = database
        self._texts = texts
        self._pool = pool
        self._now = now
        self._changed = changed
        self._tell_admin = tell
        self._after = after

    async def look(self) -> None:
        """Look at all keys once.

        Raises:
            TemporaryError: the database can't be read or written now.
        """
        by_domain: dict[str, list[StoredKey]] = {}
        for key in await self._database.read(keys_of):
            by_domain.setdefault(key.domain, []).append(key)
        for domain, keys in by_domain.items():
            await self._look_at(domain, keys)

    async def _look_at(self, domain: str, keys: Sequence[StoredKey]) -> None:
        await self._forget_old(keys)
        pair, signing = waiting(keys), in_use(keys)
        if pair:
            await self._promote(domain, pair, signing)
        elif signing and self._after is not None and self._now() - signing[0].changed_at >= self._after:
            await self._renew(domain, keys)

    async def _promote(self, domain: str, pair: Sequence[StoredKey], signing: Sequence[StoredKey]) -> None:
        generation, now = pair[0].generation, self._now()
        if not await self._all_shown(pair):
            return
        if signing and self._after is None:
            if pair[0].state == "made":
                await self._database.write(partial(_set_state, domain, generation, "published", now))
                self._tell("{domain}: the DNS shows the keys {generation}; mta dkim rotate lets them sign", pair[0])
            return
        await self._database.write(partial(_switch, domain, generation, now))
        self._changed()
        self._tell("{domain}: mail is signed with the keys {generation} from now on", pair[0])

    async def _all_shown(self, pair: Iterable[StoredKey]) -> bool:
        for key in pair:
            try:
                answer = await self._texts(key.name)
            except TemporaryError:
                return False
            if shown(key.kind, key.public, answer.records) != "yes":
                return False
        return True

    async def _renew(self, domain: str, keys: Sequence[StoredKey]) -> None:
        now = self._now()
        made = await self._pool.run(new_pair, domain, next_generation(keys, time.gmtime(now).tm_year), now)
        await self._database.write(partial(_add, made))
        self._tell("{domain}: publish the new keys {generation}, see mta dkim show {domain}", made[0])
        await self._ask_to_publish(made)

    async def _ask_to_publish(self, made: Sequence[StoredKey]) -> None:
        domain = made[0].domain
        records = "\n".join(zone_text(key.name, key.record) for key in made)
        try:
            await self._tell_admin(f"New DKIM keys of {domain}", _PUBLISH.format(domain=domain, records=records))
        except MailError as error:
            self.log.warn("the administrator can't be told: {error}", event="dkim.untold", error=str(error))

    async def _forget_old(self, keys: Iterable[StoredKey]) -> None:
        now = self._now()
        old = [key for key in keys if key.state == "retired" and now - key.changed_at >= RETIRED_FOR]
        for domain, generation in dict.fromkeys((key.domain, key.generation) for key in old):
            await self._database.write(partial(_set_state, domain, generation, "gone", now))
            self.log.info(
                "{domain}: the keys {generation} aren't needed in the DNS any more",
                event="dkim.gone",
                domain=domain,
                generation=generation,
            )

    def _tell(self, words: str, key: StoredKey) -> None:
        self.log.warn(words, event="dkim.keys", domain=key.domain, generation=key.generation)


def _set_state(domain: str, generation: str, state: Literal["published", "gone"], now: float, tx: Transaction) -> None:
    set_state(tx, domain, generation, state, now)


def _switch(domain: str, generation: str, now: float, tx: Transaction) -> None:
    switch(tx, domain, generation, now)


def _add(keys: Iterable[StoredKey], tx: Transaction) -> None:
    add_keys(tx, keys)
