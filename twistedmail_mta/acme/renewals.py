"""Looks now and then which certificates are due, asks for them on a thread, and lets the server show them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import SystemRandom
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from twistedmail_mta.acme.application import NotIssued, Obtain, application_for, ask_authority
from twistedmail_mta.acme.challenges import Challenges
from twistedmail_mta.acme.files import account_key, provide_for, standing, write_identity, write_record
from twistedmail_mta.acme.record import begun, issued, refused
from twistedmail_mta.config.acme import certificate_file
from twistedmail_mta.config.site import Site
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import Cancelled, WorkerPool
from twistedmail_mta.tls.certificates import CertificateError
from twistedmail_mta.tls.server import Contexts, contexts_of

_BACKLOG: Final = 8
_END_WITHIN: Final = 5.0
"""Seconds for a request under way when the server stops; past that the thread is left to itself."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one.

    Attributes:
        name: the host.
        outcome: "issued", "failed", or "waits" where it isn't time.
        text: why it failed; or empty.
        next_at: when it may be asked for next, in seconds since the epoch; 0 for any time.
    """

    name: str
    outcome: str
    text: str = ""
    next_at: float = 0.0


class Renewals:
    """The certificates that [acme] provides.

    All talk with the authority, and all writing of files, is done by one
    thread, one certificate after another.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        site: Callable[[], Site],
        use: Callable[[Contexts], None],
        obtain: Obtain = ask_authority,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Look after certificates; nothing happens before `look`.

        Args:
            reactor: hears from the thread.
            site: returns the site file as it counts now.
            use: lets new connections be shown these certificates.
            obtain: asks the authority.
            now: the time, in seconds since the epoch.
        """
        self.challenges = Challenges()
        self._threads = WorkerPool(reactor, "acme", 1, _BACKLOG)
        self._site = site
        self._use = use
        self._obtain = obtain
        self._now = now
        self._random = SystemRandom()
        self._stopped = False
        self._shown_of: Site | None = site()

    async def look(self) -> None:
        """Ask for what is due; what goes wrong with one certificate keeps no other waiting.

        Raises:
            TemporaryError: too much waits for the thread.
        """
        site = self._site()
        for name in site.acme_names if site.acme is not None else ():
            try:
                await self._attempt(name, asked=False)
            except (Cancelled, TemporaryError):
                raise
            except (OSError, CertificateError) as error:
                reason = str(error)
                self.log.warn("no certificate for {name}: {reason}", event="acme.failed", name=name, reason=reason)
            except Exception:  # noqa: BLE001 - the libraries under the dialogue may raise anything
                self.log.failure("no certificate for {name}", event="acme.failed", name=name)
        if self._site() is not self._shown_of:
            await self._show_again()

    async def renew(self, names: Sequence[str], *, new_key: bool = False) -> list[Attempt]:
        """Ask for certificates though they may not be due, as far as limits allow.

        Args:
            names: some of those that the site file wants.
            new_key: for other keys than they have.

        Raises:
            OSError: a file can't be read or written.
            CertificateError: the same, of a certificate.
            TemporaryError: too much waits for the thread.
        """
        return [await self._attempt(name, asked=True, new_key=new_key) for name in names]

    async def _attempt(self, name: str, *, asked: bool, new_key: bool = False) -> Attempt:
        attempt = await self._threads.run(self._try, self._site(), name, asked, new_key)
        if attempt.outcome == "issued":
            await self._show()
            self.log.info("certificate for {name} issued", event="acme.issued", name=name)
        elif attempt.outcome == "failed":
            self.log.warn(
                "no certificate for {name}: {reason}; asked again at {when}",
                event="acme.failed",
                name=name,
                reason=attempt.text,
                when=time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(attempt.next_at)),
            )
        return attempt

    async def _show(self) -> None:
        """Let new connections be shown what was issued; those that are open keep what they began with.

        A reload may have read the files before something was issued, and count after it; so after each of them
        this is done once more, and so it is after a failure.
        """
        self._shown_of, site = None, self._site()
        files = site.certificates
        if site.acme is not None and files is not None:
            self._use(await self._threads.run(contexts_of, files))
        self._shown_of = site

    async def _show_again(self) -> None:
        try:
            await self._show()
        except (OSError, CertificateError) as error:
            self.log.warn("certificates can't be shown: {reason}", event="acme.failed", reason=str(error))

    def _try(self, site: Site, name: str, asked: bool, new_key: bool) -> Attempt:
        """Ask the authority if it is time; on the thread."""
        table, state_dir = site.acme, site.server.state_dir
        if table is None or self._stopped:
            return Attempt(name, "waits")
        provide_for(state_dir, name)
        before = standing(state_dir, name, table, self._now())
        when = before.next_at(asked=asked)
        if when > self._now():
            return Attempt(name, "waits", before.record.error, when)
        record = begun(before.record, self._now(), self._random.random())
        write_record(state_dir, name, record)  # first, so that a server that dies again and again asks no more often
        kept = before.identity.key if before.identity is not None and not new_key else None
        try:
            identity = self._obtain(application_for(name, table, account_key(state_dir), kept), self.challenges)
        except NotIssued as error:
            write_record(state_dir, name, refused(record, str(error)))
            return Attempt(name, "failed", str(error), record.next_at)
        write_identity(certificate_file(state_dir, name), identity)
        write_record(state_dir, name, issued(before.record, table.directory, self._now()))
        return Attempt(name, "issued")

    def stop(self) -> None:
        """Ask no more."""
        self._stopped = True
        self._threads.stop(_END_WITHIN)
