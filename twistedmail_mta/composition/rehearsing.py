"""A dry run of a site: its own parts, and stand-ins for those that would keep something or ask others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from zope.interface import implementer

from twistedmail_mta.composition.demanding import Demanding
from twistedmail_mta.composition.generations import Generation
from twistedmail_mta.composition.listeners import Behind, incoming_listener
from twistedmail_mta.composition.sending import Sending
from twistedmail_mta.composition.stand_ins import (
    Admitted,
    AnyPassword,
    NoAcceptance,
    NoLogins,
    WatchedAdmission,
    recollected,
)
from twistedmail_mta.deliver.current_router import CurrentRouter
from twistedmail_mta.deliver.forwarding import ForwardedSenders
from twistedmail_mta.deliver.mx import Hosts
from twistedmail_mta.deliver.plan import LanePlan
from twistedmail_mta.directory.quotas import Quotas
from twistedmail_mta.directory.realm import MailRealm
from twistedmail_mta.directory.resolution import Directory
from twistedmail_mta.directory.return_paths import ReturnPaths
from twistedmail_mta.interfaces import IRecipientCheck
from twistedmail_mta.model import Address, LocalMail, Message, NextHop
from twistedmail_mta.observe.silence import SILENCE
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.policy.running import Plugins
from twistedmail_mta.policy.supplies import Supplies
from twistedmail_mta.policy.witness import Answered, watched
from twistedmail_mta.queue.runner import QueueRunner
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.presence import Presence
from twistedmail_mta.stages import GRANTS
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.scratch import Scratch
from twistedmail_mta.tasks import TaskGroup, WorkerPool

_ANY_SIZE: Final = 1 << 62
"""Octets of a body that stay in memory: what comes in a dry run isn't large, and no file is made."""


@dataclass(frozen=True, slots=True)
class Aims:
    """What a dry run may ask of others.

    Attributes:
        daemons: those plugins are asked, too, that say that this leaves traces.
        callout: other hosts are asked whether they know a recipient.
    """

    daemons: bool = False
    callout: bool = False


@dataclass(frozen=True, slots=True)
class Means:
    """What a dry run takes from its site as it is."""

    reactor: IReactorTime
    generation: Generation
    behind: Behind
    supplies: Supplies
    sending: Sending
    demanding: Demanding
    io: WorkerPool


@dataclass(slots=True)
class Minutes:
    """What happened in a dry run.

    Attributes:
        answers: those of plugins, in order.
        admitted: the recipients that were taken, before plugins were asked about them.
        unasked: recipients of whom a next hop would have been asked, and which.
    """

    answers: list[Answered] = field(default_factory=list)
    admitted: list[Admitted] = field(default_factory=list)
    unasked: dict[Address, NextHop] = field(default_factory=dict)


@implementer(IOpenSSLServerConnectionCreator)
class _Pretended:
    """Stands for TLS: nothing is encrypted that never leaves the process."""

    def serverConnectionForTLS(self, tlsProtocol: object) -> Any:  # noqa: ANN401, ARG002, N802, N803 - Twisted's names
        raise RuntimeError("nothing is encrypted in a dry run")


class Rehearsal:
    """One dry run.

    Attributes:
        site: what the site file says.
        plugins: those that are asked.
        left_out: names of those that aren't, since they say that this would leave traces.
        minutes: what happened.
        acceptance: has what would have been accepted.
    """

    def __init__(self, means: Means, database: Scratch, return_paths: ReturnPaths | None, aims: Aims) -> None:
        """Make it.

        Args:
            means: of its site.
            database: forgets what is written.
            return_paths: make and know rewritten senders, on that database.
            aims: what may be asked.

        Raises:
            PluginError: a plugin can't be made, or says so when it is given what another one knows.
        """
        self._means = means
        self._database = database
        self._return_paths = return_paths
        self._tasks = TaskGroup()
        self.site = means.generation.site
        self.minutes = Minutes()
        self.acceptance = NoAcceptance()
        self._logins = AnyPassword(database, MailRealm(self.directory.separators, synonyms=self.directory.synonyms))
        found = [each for each in self.site.found_plugins if each.kind.rehearses or aims.daemons]
        self.left_out = tuple(each.name for each in self.site.found_plugins if each not in found)
        self.plugins = Plugins(found, means.supplies.rehearsing(database))
        self.plugins.rehearse(means.generation.plugins)
        self._callout = aims.callout
        self._hosts = replace(means.sending.hosts, demands=means.demanding.rehearsing(database, self._tasks))

    async def begin(self) -> None:
        """Make it ready.

        Raises:
            PluginError: a plugin can't start.
            MailError: the database can't be read.
        """
        await self.plugins.start()
        if self._return_paths is not None:
            await self._return_paths.begin()

    async def close(self) -> None:
        """Let go of everything; what was begun is over by then."""
        self._tasks.cancel()
        await self._tasks.finish()
        await self.plugins.stop()

    # What is asked

    @property
    def clock(self) -> IReactorTime:
        """The time, in seconds."""
        return self._means.reactor

    @property
    def directory(self) -> Directory:
        """Knows whom addresses stand for."""
        return self._means.behind.directory

    @property
    def router(self) -> CurrentRouter:
        """Says which way mail goes."""
        return self._means.sending.router

    @property
    def plan(self) -> LanePlan:
        """Names lanes."""
        return self._means.sending.plan

    @property
    def queue(self) -> QueueRunner:
        """Has the lanes and what is suspended, if the site runs."""
        return self._means.behind.queue

    @property
    def database(self) -> Scratch:
        """Forgets what is written."""
        return self._database

    @property
    def hosts(self) -> Hosts:
        """Finds the hosts of next hops, and what they have to show."""
        return self._hosts

    async def why_no_dane(self) -> str:
        """See `Demanding.why_no_dane`."""
        return await self._means.demanding.why_no_dane()

    @property
    def logins(self) -> AnyPassword:
        """Knows the accounts."""
        return self._logins

    def quotas(self) -> Quotas:
        """Return what knows how full accounts are; what is reserved there is nobody else's business."""
        return Quotas(self._database, self.directory)

    def senders(self) -> ForwardedSenders | None:
        """Return what says with which sender forwarded mail leaves; None: always with its own."""
        return None if self._return_paths is None else self._means.sending.forwarded_senders(self._return_paths)

    def everybody(self) -> Pipeline:
        """Return all plugins, as they are asked about mail in the queue; their answers are noted."""
        return Pipeline(self._watched(self.plugins.names), self.clock, log=SILENCE)

    def _watched(self, names: Sequence[str]) -> list[Plugin]:
        running = [self.plugins.find(name) for name in names]
        return [watched(each.plugin, self.minutes.answers.append) for each in running if each is not None]

    def listener(self, name: str) -> Listener:
        """Return a listener of the site file, as its clients find it, but that nothing is accepted there."""
        means = self._means
        listener = incoming_listener(means.generation, name, means.behind)
        return replace(
            listener,
            tls=_Pretended() if self.site.certificates is not None else None,
            admission=self._admission(listener.admission),
            quotas=self.quotas(),
            authenticator=self._logins,
            logins=NoLogins(),
            acceptance=self.acceptance,
            bodies=BodyStore(means.io, means.behind.bodies.root, inline_limit=_ANY_SIZE, makes=False),
            tasks=self._tasks,
            plugins=Pipeline(self._watched(self.site.listen[name].plugins), self.clock, log=SILENCE),
            grants=Pipeline(self._watched(self.site.relay.plugins), self.clock, GRANTS, SILENCE),
            stored=_untold,
            history=None,
            presence=Presence(),
            log=SILENCE,
        )

    def _admission(self, admission: Admission) -> Admission:
        checks: Mapping[str, IRecipientCheck | None] = admission.relayed
        if not self._callout:
            checks = recollected(checks, self.minutes.unasked.__setitem__)
        admission = replace(admission, relayed=checks, return_paths=self._return_paths)
        return WatchedAdmission(admission, self.minutes.admitted.append)  # type: ignore[return-value] # acts as one


def _untold(message: Message, local: LocalMail) -> None:
    """Tell nobody of mail that isn't in a mailbox."""
