"""Whether the name servers validate (RFC 4035): found out by asking, before anybody relies on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Protocol

from dns.rdatatype import RdataType
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.dns.codec import Question, Response
from twistedmail_mta.dns.exchange import IReactorDNS, ReactorExchange
from twistedmail_mta.dns.nameservers import Nameserver
from twistedmail_mta.dns.upstream import UNANSWERED, Upstream
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import Task, TaskGroup

PROVEN_FOR: Final = 3600.0
"""Seconds after which a server that validates is probed again."""
DISPROVEN_FOR: Final = 600.0
UNDECIDED_FOR: Final = 30.0

NO_SERVER: Final = "no name server on this host is asked"


class Asker(Protocol):
    """Who puts a question to one server: `Upstream`."""

    async def ask(self, question: Question) -> Response:
        """Return an answer."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked.

    Attributes:
        signed: a zone that is signed, and all above it; the root by default.
        broken: a zone whose signatures are wrong, so that whoever validates has no answer.
    """

    signed: str = ""
    broken: str = "dnssec-failed.org"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a probe.

    Attributes:
        state: "undecided" where a server didn't answer.
        reason: why it isn't proven.
    """

    state: Literal["proven", "disproven", "undecided"]
    reason: str = ""


PROVEN: Final = Verdict("proven")


async def verdict_on_all(servers: Iterable[tuple[str, Asker]], probe: Probe) -> Verdict:
    """Ask servers, by name; one that doesn't validate spoils it, one that is silent does no harm."""
    verdicts = [await _verdict_on(name, server, probe) for name, server in servers]
    for state in ("disproven", "proven", "undecided"):
        for verdict in verdicts:
            if verdict.state == state:
                return verdict
    return Verdict("disproven", NO_SERVER)


async def _verdict_on(name: str, server: Asker, probe: Probe) -> Verdict:
    try:
        signed = await server.ask(Question(probe.signed, RdataType.SOA))
    except TemporaryError as error:
        return Verdict("undecided", f"{name} doesn't say whether {_shown(probe.signed)} is signed: {error.reply.text}")
    if not signed.authentic:
        return Verdict("disproven", f"{name} doesn't vouch for {_shown(probe.signed)}, which is signed")
    try:
        await server.ask(Question(probe.broken, RdataType.SOA))
    except TemporaryError as error:
        if error.reply is UNANSWERED:
            return Verdict("undecided", f"{name} doesn't answer about {probe.broken}")
        return PROVEN
    return Verdict("disproven", f"{name} has an answer about {probe.broken}, whose signatures are wrong")


def _shown(zone: str) -> str:
    return zone or "the root"


class Validation:
    """Knows whether the name servers validate; asks when it is first asked, and from time to time."""

    log: ClassVar[Logger] = Logger()

    def __init__(
        self, clock: IReactorTime, servers: Sequence[tuple[str, Asker]], probe: Probe | None, tasks: TaskGroup
    ) -> None:
        """Know nothing yet.

        Args:
            clock: for the age of what is known.
            servers: those whose AD bit counts, by name.
            probe: what to ask; None: they are taken to validate, as the site says.
            tasks: where it is found out what nobody waits for.
        """
        self._tasks = tasks
        self._looked = False
        self._clock = clock
        self._servers = servers
        self._probe = probe
        self._verdict: Verdict | None = None
        self._until = 0.0
        self._task: Task[Verdict] | None = None

    async def holds(self) -> bool:
        """Return whether an AD bit means that an answer was validated."""
        return (await self.verdict()).state == "proven"

    async def verdict(self) -> Verdict:
        """Return the same, and why not."""
        if self._probe is None:
            return PROVEN if self._servers else Verdict("disproven", NO_SERVER)
        if self._verdict is not None and self._clock.seconds() < self._until:
            return self._verdict
        self._looked = True
        if self._task is None or self._task.done:
            self._task = Task("dns.validation", self._find_out(self._probe))
        return await self._task

    def look(self) -> None:
        """Find it out behind the scenes, if nobody has yet, so that the log tells of it."""
        if not self._looked and self._probe is not None:
            self._looked = True
            self._tasks.start("dns.validation", self._look())

    async def _look(self) -> None:
        await self.verdict()

    def stop(self) -> None:
        """Give up asking; whoever waits for it is cancelled."""
        if self._task is not None:
            self._task.cancel()

    async def _find_out(self, probe: Probe) -> Verdict:
        found = await verdict_on_all(self._servers, probe)
        before = self._verdict
        if found.state == "undecided" and before == PROVEN:
            found = before  # it answers nothing at all now, so nothing is believed wrongly
        self._verdict = found
        lasting = {"proven": PROVEN_FOR, "disproven": DISPROVEN_FOR, "undecided": UNDECIDED_FOR}
        self._until = self._clock.seconds() + lasting[found.state]
        if before is None or before.state != found.state:
            self._tell(found)
        return found

    def _tell(self, found: Verdict) -> None:
        if found == PROVEN:
            self.log.info("the name servers validate: DANE is on", event="dane.on")
        else:
            self.log.warn(
                "the name servers aren't known to validate, so DANE is off: {reason}",
                reason=found.reason,
                event="dane.off",
            )


def make_validation(
    reactor: IReactorDNS, servers: Sequence[Nameserver], timeout: float, probe: Probe | None, tasks: TaskGroup
) -> Validation:
    """Return what knows whether `servers` validate.

    Args:
        reactor: drives the sockets.
        servers: whom the site asks.
        timeout: seconds for a question.
        probe: what to ask; None: nothing, as the site answers for them.
        tasks: see `Validation`.
    """
    exchange = ReactorExchange(reactor)
    trusted = [server for server in servers if server.trusted]
    askers = [(server.address, Upstream(reactor, exchange, [server], timeout=timeout)) for server in trusted]
    return Validation(reactor, askers, probe, tasks)
