"""What `mta check` looks at beside the site file: this machine, and all that others have to do with it."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, cast

import click
from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.checks.block_lists import LISTS, findings_of_lists, listed
from twistedmail_mta.checks.clock import findings_of_clock
from twistedmail_mta.checks.disk import findings_of_disk
from twistedmail_mta.checks.finding import Finding, Subject, about
from twistedmail_mta.checks.machine import findings_of_machine, has_ipv6
from twistedmail_mta.checks.names import findings_of_names
from twistedmail_mta.checks.outbound import WELL_KNOWN, called, findings_of_outbound, targets_of
from twistedmail_mta.checks.ports import findings_of_ports
from twistedmail_mta.checks.resolver import Answers, answers_of, findings_of_resolver
from twistedmail_mta.cli.dns import compared
from twistedmail_mta.cli.dns_addresses import known_addresses
from twistedmail_mta.cli.dns_presence import Domains, Shown, presence_of, sends_itself
from twistedmail_mta.cli.reacting import waited_for
from twistedmail_mta.composition.demanding import IReactorDemands, is_dane_wanted
from twistedmail_mta.composition.settings import nameservers_of, probe_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.control.client import ControlClient, NotRunningError, RefusedError
from twistedmail_mta.deliver.connection import Timeouts
from twistedmail_mta.deliver.dial import Dialer, IReactorDelivery, Outbound
from twistedmail_mta.directory.dkim_rows import StoredKey, keys_of
from twistedmail_mta.directory.domain_rows import list_domains
from twistedmail_mta.dns.exchange import ReactorExchange
from twistedmail_mta.dns.resolver import Resolver, make_resolver
from twistedmail_mta.dns.upstream import Upstream
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.networks import address_of
from twistedmail_mta.publishing.presence import Presence
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import look_into
from twistedmail_mta.tasks import Task, within
from twistedmail_mta.tls.client import ClientTLS

SKIPPABLE: Final = ("ports", "machine", "disk", "clock", "resolver", "dns", "outbound", "blocklists")
ASKING: Final = frozenset(("resolver", "dns", "outbound", "blocklists"))
"""What can't be found out without asking others."""

FIRST_WITHIN: Final = 8.0
"""Seconds for the name servers, which all the rest relies on."""
EACH_WITHIN: Final = 18.0
"""Seconds for each of the rest, all of which go on at the same time."""
PATIENCE: Final = 2.0
"""Seconds for an answer of the running server, and of a name server, if the site file doesn't say less."""
_CALL: Final = Timeouts(connect=8.0, greeting=8.0, ehlo=8.0)


@dataclass(frozen=True, slots=True)
class Callee:
    """Whom to call, to see whether mail can leave.

    Attributes:
        name: a domain, a host or an address.
        port: None for that of the site file.
    """

    name: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What others are asked about, and what is left out.

    Attributes:
        site: the site file.
        presence: what it is to others.
        left_out: subjects.
        callee: whom to call.
    """

    site: Site
    presence: Presence
    left_out: frozenset[str]
    callee: Callee


def as_callee(_: click.Context, __: click.Parameter, value: str | None) -> Callee | None:
    """Read HOST, HOST:PORT or [ADDRESS]:PORT."""
    if value is None:
        return None
    name, port = (value, "") if address_of(value) else _divided(value)
    if not name or (port and not 0 < int(port) < 65536):
        raise click.BadParameter("must be a host or a domain, perhaps with a port: mx.example.org:25")
    return Callee(name, int(port) if port else None)


def _divided(text: str) -> tuple[str, str]:
    """Return the host and the port, empty for none."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()):
        host, port = text, ""
    return host.removeprefix("[").removesuffix("]"), port


def findings_as_root(site: Site, left_out: frozenset[str]) -> Iterator[Finding]:
    """Yield what only root can see in full, and can try."""
    if "ports" not in left_out:
        yield from about("ports", findings_of_ports(site, _process(site)))


def findings_as_owner(site: Site, left_out: frozenset[str]) -> Iterator[Finding]:
    """Yield what this machine is like, for the owner of the state directory."""
    if "disk" not in left_out:
        yield from about("disk", findings_of_disk(site.server.state_dir))
    if "clock" not in left_out:
        yield from about("clock", findings_of_clock(time.time()))
    if "machine" not in left_out:
        yield from about("machine", findings_of_machine(site))


def findings_of_others(site: Site, shown: Shown, left_out: frozenset[str], callee: Callee | None) -> list[Finding]:
    """Ask name servers, lists and a host of others; takes less than half a minute.

    Args:
        site: the site file.
        shown: the certificates.
        left_out: subjects.
        callee: whom to call; None for a large provider.
    """
    if left_out >= ASKING:
        return []
    presence = presence_of(site, known_addresses(site), shown, _domains(site))
    asked = Asked(site, presence, left_out, callee or Callee(WELL_KNOWN))
    return waited_for(lambda reactor: _asked(cast(IReactorDemands, reactor), asked))


def _process(site: Site) -> int | None:
    """Return the process of the running server; None where none runs, or doesn't say so to us."""
    with (
        suppress(NotRunningError, RefusedError, OSError),
        ControlClient(site.server.state_dir, timeout=PATIENCE) as server,
    ):
        return int(server.call("status")["process"])
    return None


def _domains(site: Site) -> Domains:
    """Return the domains whose mail is kept here, with their keys, as far as there is a database."""

    def read(tx: Transaction) -> tuple[list[str], list[StoredKey]]:
        return [domain.name for domain in list_domains(tx)], [key for key in keys_of(tx) if key.state != "gone"]

    path = site.server.state_dir / DATABASE_NAME
    names, keys = (look_into(path, read) if path.exists() else None) or ([], [])
    kept = {*site.hosted, *names}
    sent_on = frozenset(site.policies) - kept
    return Domains(tuple(sorted({*kept, *sent_on})), frozenset(), tuple(keys), sent_on)


async def _asked(reactor: IReactorDemands, asked: Asked) -> list[Finding]:
    """Ask the name servers first: if none answers nobody else can."""
    found: list[Finding] = []
    if "resolver" not in asked.left_out:
        answers = await _answers(reactor, asked.site)
        found += about("resolver", findings_of_resolver(answers))
        if not answers.answering:
            text = "the DNS, lists and other hosts weren't asked, as no name server answers"
            return [*found, Finding("note", "dns.nameservers", text, subject="resolver")]
    resolver = make_resolver(reactor, nameservers_of(asked.site), asked.site.dns.timeout)
    inquiries: Mapping[Subject, Coroutine[Any, Any, Sequence[Finding]]] = {
        "dns": _names(reactor, asked),
        "outbound": _outbound(reactor, resolver, asked),
        "blocklists": _lists(resolver, asked),
    }
    try:
        tasks = [
            Task(subject, in_time(reactor, subject, inquiry, leave_out=subject in asked.left_out))
            for subject, inquiry in inquiries.items()
        ]
        return [*found, *chain.from_iterable([await task for task in tasks])]
    finally:
        resolver.stop()


async def in_time(
    clock: IReactorTime, subject: Subject, inquiry: Coroutine[Any, Any, Sequence[Finding]], *, leave_out: bool
) -> list[Finding]:
    """Return what an inquiry finds, with its subject; that it takes too long is a note."""
    if leave_out:
        inquiry.close()
        return []
    try:
        return list(about(subject, await within(clock, EACH_WITHIN, inquiry)))
    except TimeoutError:
        text = f"what others say of {subject} couldn't be found out within {EACH_WITHIN:.0f} seconds"
        return [Finding("note", "", text, subject=subject)]


async def _answers(reactor: IReactorDemands, site: Site) -> Answers:
    exchange, timeout = ReactorExchange(reactor), min(site.dns.timeout, PATIENCE)
    servers = nameservers_of(site)
    askers = [(server, Upstream(reactor, exchange, [server], timeout=timeout)) for server in servers]
    asking = answers_of(
        [(server.address, asker) for server, asker in askers],
        [(server.address, asker) for server, asker in askers if server.trusted],
        probe_of(site),
        validating=is_dane_wanted(site) and site.dns.dnssec != "trust",
    )
    try:
        return await within(reactor, FIRST_WITHIN, asking)
    except TimeoutError:
        return Answers((), tuple(server.address for server in servers), None)


async def _names(reactor: IReactorDemands, asked: Asked) -> Sequence[Finding]:
    _, found = await compared(reactor, asked.site, asked.presence, check=True)
    return list(findings_of_names(found))


async def _outbound(reactor: IReactorDemands, resolver: Resolver, asked: Asked) -> Sequence[Finding]:
    site, callee = asked.site, asked.callee
    if not sends_itself(site):
        return [Finding("note", "route", "no mail goes to MX hosts, so none was called")]
    port = callee.port or site.outbound.port
    try:
        targets = await targets_of(resolver, callee.name, port)
    except TemporaryError as error:
        return [Finding("note", "outbound", f"the hosts of {callee.name} couldn't be found: {error.reply.text}")]
    if not targets:
        return [Finding("note", "outbound", f"{callee.name} has no address in the DNS, so nobody was called")]
    outbound = Outbound(site.server.hostname, _CALL)
    dialer = Dialer(cast(IReactorDelivery, reactor), outbound, ClientTLS(site.outbound.ca_file), str)
    calls = [
        Task("call", called(dialer, family, target)) for family, target in targets if family != "IPv6" or has_ipv6()
    ]
    try:
        return list(findings_of_outbound([await call for call in calls], port))
    finally:
        await dialer.close()


async def _lists(resolver: Resolver, asked: Asked) -> Sequence[Finding]:
    questions = [
        Task("list", listed(resolver, address, zone)) for address in sorted(asked.presence.addresses) for zone in LISTS
    ]
    return list(findings_of_lists([await question for question in questions]))
