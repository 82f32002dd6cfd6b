"""Whether mail can leave: a host of a large provider is called, as the queue would, and greeted; no mail is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.deliver.dial import Dialer
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.model import NextHop
from twistedmail_mta.networks import address_of

WELL_KNOWN: Final = "gmail.com"
"""A domain whose MX hosts answer by IPv4 and IPv6, from everywhere but where a network keeps port 25 closed."""
_FAMILIES: Final = (("A", "IPv4"), ("AAAA", "IPv6"))


@dataclass(frozen=True, slots=True)
class Called:
    """What came of a call.

    Attributes:
        family: "IPv4" or "IPv6".
        host: whom, with the address.
        problem: why there is no session; empty where there is one.
    """

    family: str
    host: str
    problem: str = ""


async def targets_of(resolver: IResolver, name: str, port: int) -> list[tuple[str, Target]]:
    """Return an address of each family of a host, or of the best MX host of a domain.

    Args:
        resolver: asked for names.
        name: a domain, a host or an address.
        port: where it listens.

    Raises:
        TemporaryError: the DNS doesn't answer.
    """
    literal = address_of(name)
    if literal is not None:
        return [(f"IPv{literal.version}", Target(name, name, port))]
    hosts = sorted((await resolver.mx(name)).records, key=lambda record: record.preference)
    host = hosts[0].host if hosts and hosts[0].host else name
    found = [(family, (await resolver.addresses(host, rdtype)).records[:1]) for rdtype, family in _FAMILIES]
    return [(family, Target(host, address, port)) for family, addresses in found for address in addresses]


async def called(dialer: Dialer, family: str, target: Target) -> Called:
    """Open a session, and end it."""
    try:
        session = await dialer.call(NextHop(target.host, target.port, tls="opportunistic"), target)
    except TemporaryError as error:
        return Called(family, str(target), error.reply.text)
    session.finish()
    return Called(family, str(target))


def findings_of_outbound(calls: Sequence[Called], port: int) -> Iterator[Finding]:
    """Judge calls: one family suffices, but the other must not lead astray."""
    failed = [call for call in calls if call.problem]
    reached = [call for call in calls if not call.problem]
    for call in failed:
        text = f"{call.host}, port {port}, can't be reached by {call.family}: {call.problem}"
        yield Finding("warning", "outbound", text, _mend(call.family, port, is_only=not reached))
    for call in reached:
        yield Finding("note", "outbound", f"{call.host}, port {port}, answers by {call.family}")


def _mend(family: str, port: int, *, is_only: bool) -> str:
    if is_only:
        return (
            f"many providers keep port {port} closed: ask yours to open it, or send through a host"
            " that takes your mail, by a [[route]]"
        )
    other = "ipv4" if family == "IPv6" else "ipv6"
    return f'mend the way of {family}, or try the other first: [outbound] prefer = "{other}"'
