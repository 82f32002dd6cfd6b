"""Reads the site file again while the server runs: all of it is prepared first, and then it counts at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from twistedmail_mta.acme.files import provide
from twistedmail_mta.checks.finding import Finding, errors_of
from twistedmail_mta.checks.local import findings_of
from twistedmail_mta.composition.generations import Generation, Generations
from twistedmail_mta.composition.remembering import keep_of
from twistedmail_mta.composition.sending import Sending
from twistedmail_mta.composition.settings import release
from twistedmail_mta.config.changes import differences, in_effect
from twistedmail_mta.config.in_use import write_in_use
from twistedmail_mta.config.problems import ConfigError, Problem
from twistedmail_mta.config.secrets import is_credential
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.resolution import Directory
from twistedmail_mta.directory.site_domains import SiteDomains, site_domains
from twistedmail_mta.directory.site_logins import SiteLogins
from twistedmail_mta.errors import MailError
from twistedmail_mta.history.recorder import Recorder
from twistedmail_mta.interfaces import IRecipientCheck
from twistedmail_mta.plugins import UnusablePlugins
from twistedmail_mta.policy.observing import Observation
from twistedmail_mta.policy.running import Plugins
from twistedmail_mta.policy.supplies import Supplies
from twistedmail_mta.tasks import Cancelled, Task, TaskGroup, WorkerPool
from twistedmail_mta.tls.certificates import CertificateError
from twistedmail_mta.tls.server import Contexts, ServerTLS, contexts_of

_BACKLOG: Final = 2
_END_WITHIN: Final = 5.0
"""Seconds for a reading under way when the server stops: modules may do anything while they are imported."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of a reading.

    Attributes:
        changed: the keys that count now.
        restart: those that need a restart to count.
        begun: the plugins that were made, because they are new or not as they were.
        ended: those that are asked by earlier sessions alone.
    """

    changed: tuple[str, ...]
    restart: tuple[str, ...]
    begun: tuple[str, ...]
    ended: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A site file that can be used, and the files that it names.

    Attributes:
        site: what of it can count.
        changed: the keys of that which aren't as they were.
        restart: those of the rest.
        domains: what it says of hosted domains, with their files.
        checks: who knows the recipients of relayed domains.
        certificates: None leaves those there are.
    """

    site: Site
    changed: tuple[str, ...]
    restart: tuple[str, ...]
    domains: SiteDomains
    checks: Mapping[str, IRecipientCheck | None]
    certificates: Contexts | None


class Reloading:
    """Lets a running server follow its site file.

    Until everything is there nothing has changed; what can fail comes before
    the first change, and between the first and the last nobody waits.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - all that can change
        self,
        reactor: IReactorFromThreads,
        generations: Generations,
        supplies: Supplies,
        sending: Sending,
        directory: Directory,
        logins: SiteLogins,
        observation: Observation,
        tls: ServerTLS | None,
        recorder: Recorder,
    ) -> None:
        self._recorder = recorder
        self._threads = WorkerPool(reactor, "reload", 1, _BACKLOG)
        self._generations = generations
        self._supplies = supplies
        self._sending = sending
        self._directory = directory
        self._logins = logins
        self._observation = observation
        self._tls = tls

    async def reload(self, read: Callable[[], Site], serve: Callable[[], None]) -> Reloaded:
        """Read the site file again.

        Args:
            read: reads it, on a thread; raises ConfigError.
            serve: has new sessions begin under what counts then.

        Raises:
            ConfigError: with everything that is wrong; nothing has changed.
        """
        before = self._generations.now.plugins
        try:
            reading = await self._threads.run(self._read, read)
            plugins = Plugins(reading.site.found_plugins, self._supplies, before)
            try:
                await self._begin(reading, plugins, serve)
            except BaseException:
                await plugins.stop()
                raise
        except UnusablePlugins as error:
            raise _unusable(Problem(*reason) for reason in error.reasons) from error
        except (DirectoryError, MailError) as error:
            raise _unusable([Problem("", str(error))]) from error
        return Reloaded(reading.changed, reading.restart, plugins.missing_in(before), before.missing_in(plugins))

    def _read(self, read: Callable[[], Site]) -> Reading:
        """Read the site file and the files it names; blocks."""
        old, new = self._generations.now.site, read()
        site = in_effect(old, new)
        findings = [each for each in errors_of(findings_of(site, datetime.now(UTC))) if not self._is_settled(each)]
        if findings:
            raise _unusable(Problem(each.path, each.words) for each in findings)
        changes = differences(old, new)
        try:
            return Reading(
                site=site,
                changed=tuple(each.path for each in changes if each.is_live),
                restart=tuple(each.path for each in changes if not each.is_live),
                domains=site_domains(site.domains),
                checks=self._sending.checks_of(site),
                certificates=self._certificates(site),
            )
        except (OSError, ValueError, CertificateError) as error:  # they were there a moment ago
            raise _unusable([Problem("", str(error))]) from error

    def _is_settled(self, finding: Finding) -> bool:
        """Whether something can't be wrong any more, or is left as it is: see `_certificates`."""
        steps = finding.path.split(".")
        return steps[0] == "server" or (steps[0] == "tls" and _has_credentials(self._generations.now.site))

    def _certificates(self, site: Site) -> Contexts | None:
        """Read the certificates; credentials of the unit that only root could read stay as they were."""
        if site.acme is not None:
            provide(site)
        if site.certificates is None:
            return None
        try:
            return contexts_of(site.certificates)
        except CertificateError as error:
            if site.tls != self._generations.now.site.tls or not _has_credentials(site):
                raise
            self.log.warn(
                "certificates not reloaded, the old ones stay in use: {reason}",
                reason=str(error),
                event="tls.reload.failed",
            )
            return None

    async def _begin(self, reading: Reading, plugins: Plugins, serve: Callable[[], None]) -> None:
        grants = plugins.grants(reading.site.relay.plugins)
        await plugins.start()
        take_domains = await self._directory.prepared(reading.domains)
        # Until all of it is changed nothing waits, and nothing fails.
        take_domains()
        self._sending.follow(reading.site)
        self._recorder.keep(keep_of(reading.site))
        if self._tls is not None and reading.certificates is not None:
            self._tls.use(reading.certificates)
        generation = Generation(reading.site, plugins, grants, reading.checks)
        self._observation.follow(plugins.observers, generation.presence.tasks)
        self._generations.follow(generation)
        serve()
        self._logins.reload()
        await self.note_use()

    async def note_use(self) -> None:
        """Write down what counts now, for `mta diff`; it isn't worth a failure."""
        try:
            await self._threads.run(write_in_use, self._generations.now.site, release())
        except OSError as error:
            self.log.warn(
                "what the server runs with can't be written down: {reason}", event="site.use.failed", reason=str(error)
            )

    def stop(self) -> None:
        """Read no more."""
        self._threads.stop(_END_WITHIN)


class Turns:
    """One reading at a time; whoever wants one while another is under way gets the next, with all others who do."""

    def __init__(self, reload: Callable[[], Awaitable[Reloaded]]) -> None:
        self._reload = reload
        self._tasks = TaskGroup()
        self._running: Task[Reloaded] | None = None
        self._next: Task[Reloaded] | None = None
        self._stopped = False

    def ask(self) -> Task[Reloaded]:
        """Want a reading that begins now or later.

        Raises:
            Cancelled: there will be none, since the server stops.
        """
        if self._stopped:
            raise Cancelled
        if self._running is None or self._running.done:
            self._running = self._tasks.shield("site.reload", self._read())
            return self._running
        if self._next is None:
            self._next = self._tasks.shield("site.reload", self._read_after(self._running))
        return self._next

    async def _read(self) -> Reloaded:
        return await self._reload()

    async def _read_after(self, running: Task[Reloaded]) -> Reloaded:
        with suppress(Exception):
            await running
        if self._stopped:
            raise Cancelled
        self._running, self._next = self._next, None
        return await self._reload()

    async def stop(self) -> None:
        """Break off; nothing is left of a reading that isn't in use yet."""
        self._stopped = True
        self._tasks.cancel()
        await self._tasks.finish()


def _has_credentials(site: Site) -> bool:
    tables = [] if site.tls is None else [site.tls, *site.tls.names.values()]
    return any(is_credential(file) for table in tables for file in (table.certificate, table.key))


def _unusable(problems: Iterable[Problem]) -> ConfigError:
    return ConfigError("the site file", tuple(problems))
