"""Which way mail goes on from here: route, lane, hosts, and what these have to show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from twistedmail_mta.composition.rehearsing import Rehearsal
from twistedmail_mta.deliver.demand import Demand
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.explain.standing import can_seal
from twistedmail_mta.model import Address, Deferred, Discard, Message, NextHop, Recipient, Refuse, Route
from twistedmail_mta.policy.authenticity_tags import was_examined
from twistedmail_mta.queue.asking import asked_way
from twistedmail_mta.routes import route_text

MOST_WAYS: Final = 20
"""Recipients whose way is found out: each may ask the DNS of another domain."""

_SAYS: Final = {
    "none": "no TLS, as the route says",
    "opportunistic": "TLS where the host offers it, whatever its certificate",
    "required": "TLS with a certificate of the host's name, as the route says",
}


async def way_of(rehearsal: Rehearsal, message: Message, recipient: Recipient) -> dict[str, Any]:
    """Return which way one recipient's copy goes, as JSON has it.

    Args:
        rehearsal: has the routes.
        message: as the queue would have it.
        recipient: one of its recipients.
    """
    address, account = recipient.address, message.origin.account
    facts: dict[str, Any] = {"recipient": str(address), "forwarded_by": recipient.forwarded_by}
    route: Route | Deferred
    if recipient.via is not None:
        route, facts["chosen_by"] = rehearsal.router.chosen(recipient.via, address), "a plugin, or an operator"
    else:
        route = rehearsal.router.route(message.envelope.sender, address, 0, account)
        facts["key"] = rehearsal.router.why(message.envelope.sender, address, account)
        route, facts["chosen_by"] = await _asked(rehearsal, message, recipient, route)
    if isinstance(route, Deferred):
        return facts | {"route": "", "outcome": "waits", "reply": str(route.reply)}
    facts["route"] = route_text(route)
    return facts | await _further(rehearsal, message, recipient, route)


async def _asked(
    rehearsal: Rehearsal, message: Message, recipient: Recipient, route: Route
) -> tuple[Route | Deferred, str]:
    """Return the way that plugins of the stage `routed` leave a copy, and which of them chose another."""
    answers = rehearsal.minutes.answers
    answers.clear()
    way = await asked_way(rehearsal.everybody(), rehearsal.router, message, recipient.address, route, 0)
    chosen = next((each.plugin for each in answers if each.answer), "") if way != route else ""
    return way, chosen


async def _further(rehearsal: Rehearsal, message: Message, recipient: Recipient, route: Route) -> dict[str, Any]:
    match route:
        case Refuse(reply):
            return {"outcome": "fails", "reply": str(reply)}
        case Discard():
            return {"outcome": "is discarded", "reply": ""}
        case NextHop(local=str()):
            return {"outcome": "is delivered here", "reply": ""}
        case NextHop():
            facts = await _suspended(rehearsal, message, recipient.address, route)
            facts |= await _sender(rehearsal, message, recipient, route)
            return facts | await _hosts(rehearsal, route)


async def _suspended(rehearsal: Rehearsal, message: Message, recipient: Address, hop: NextHop) -> dict[str, Any]:
    """Return the lane, how it fares, and whether an operator has suspended it."""
    terms = rehearsal.plan.known(hop) or await rehearsal.plan.find(hop)
    suspended = await rehearsal.queue.is_suspended(message, recipient, hop)
    pace, now = rehearsal.queue.pace_of(terms.name), rehearsal.clock.seconds()
    facts: dict[str, Any] = {"lane": terms.name, "suspended": suspended}
    if pace is not None:
        facts |= {"concurrency": pace.concurrency, "rests_for": round(max(0.0, pace.rest(now)), 1)}
        facts["out_of_reach"] = str(pace.obstacle.reply) if pace.obstacle is not None and pace.is_dead(now) else ""
    return facts


async def _sender(rehearsal: Rehearsal, message: Message, recipient: Recipient, hop: NextHop) -> dict[str, Any]:
    """Return with which sender a forward leaves."""
    original = message.envelope.sender
    if recipient.forwarded_by is None:
        return {"sender": str(original)}
    senders = rehearsal.senders()
    try:
        sender = original if senders is None else await senders.sender(original, recipient.forwarded_by, hop)
    except TemporaryError as error:
        return {"sender": str(original), "sender_problem": str(error.reply)}
    may_seal = rehearsal.site.forwarding.arc and not (hop.is_here or hop.is_filter)
    is_known = not message.header or was_examined(dict(message.tags))
    sealed = may_seal and is_known and await can_seal(rehearsal, recipient.forwarded_by)
    return {"sender": str(sender), "sealed_by": recipient.forwarded_by if sealed else None}


async def _hosts(rehearsal: Rehearsal, hop: NextHop) -> dict[str, Any]:
    """Return the hosts that would be tried, best first, and what is demanded of each."""
    preferences = await _preferences(rehearsal, hop)
    try:
        targets = await rehearsal.hosts.targets(hop)
    except MailError as error:
        outcome = "fails" if error.reply.is_permanent else "waits"
        facts: dict[str, Any] = {"outcome": outcome, "reply": str(error.reply), "mx": preferences, "hosts": []}
        return facts | {"tls": _demanded(hop), "tls_level": _level(hop, ())}
    return {
        "outcome": "goes on",
        "reply": "",
        "mx": preferences,
        "hosts": [_host(each) for each in targets],
        "tls": await _tls(rehearsal, hop, targets),
        "tls_level": _level(hop, targets),
    }


async def _preferences(rehearsal: Rehearsal, hop: NextHop) -> list[dict[str, Any]]:
    if not hop.mx or hop.host.startswith("["):
        return []
    try:
        answer = await rehearsal.hosts.resolver.mx(hop.host)
    except TemporaryError:
        return []
    return [{"host": each.host, "preference": each.preference} for each in sorted(answer.records, key=_preference)]


def _preference(record: Any) -> int:  # noqa: ANN401 - an MXRecord
    return int(record.preference)


def _host(target: Target) -> dict[str, Any]:
    demand = target.demand
    facts: dict[str, Any] = {"host": target.host, "address": target.address, "port": target.port}
    return facts | {"demands": None if demand is None else _words(demand)}


def _words(demand: Demand) -> str:
    if demand.by == "MTA-STS":
        return "MTA-STS: a certificate of its name" + ("" if demand.is_strict else ", which is only tested")
    if not demand.records:
        return "DANE: TLS with anybody, for its records are of no use"
    count = len(demand.records)
    return f"DANE: a certificate that {'one of ' if count > 1 else ''}its {count} TLSA record{'s' * (count > 1)} means"


def _demanded(hop: NextHop) -> str:
    return "TLS from the first octet" if hop.implicit_tls else _SAYS[hop.tls]


def _level(hop: NextHop, targets: Sequence[Target]) -> str:
    """Return in a word what is demanded of TLS."""
    demands = {_by(target.demand) for target in targets if target.demand is not None}
    if demands:
        return " and ".join(sorted(demands))
    return "implicit" if hop.implicit_tls else hop.tls


async def _tls(rehearsal: Rehearsal, hop: NextHop, targets: Sequence[Target]) -> str:
    """Return what is demanded of TLS, and why."""
    demands = {_by(target.demand) for target in targets if target.demand is not None}
    if demands:
        return " and ".join(sorted(demands)) + ", as the domain's own records say"
    if hop.tls != "opportunistic" or hop.is_socket or hop.implicit_tls or hop.lmtp:
        return _demanded(hop)
    return f"{_demanded(hop)}; {', '.join([each async for each in _no_demands(rehearsal, hop)])}"


async def _no_demands(rehearsal: Rehearsal, hop: NextHop) -> AsyncIterator[str]:
    """Yield why neither DANE nor MTA-STS demands anything."""
    yield await rehearsal.why_no_dane()
    sts = rehearsal.hosts.demands.sts
    if sts is None:
        yield "MTA-STS is off"
    elif hop.mx and not hop.host.startswith("["):
        policy = await sts.policy(hop.host)
        yield "the domain has no MTA-STS policy" if policy is None else f"its MTA-STS policy is {policy.mode}"


def _by(demand: Demand) -> str:
    return demand.by if demand.is_strict else f"{demand.by} (testing)"
