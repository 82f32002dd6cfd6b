"""The lanes that domains belong to, for operators who ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.interfaces import ILanePlan, IRouter
from twistedmail_mta.model import Address, NextHop
from twistedmail_mta.tasks import Task, within

WITHIN: Final = 5.0
"""Seconds in which the DNS may say which MX hosts domains have."""


async def lane_names(domains: Iterable[str], router: IRouter, plan: ILanePlan, clock: IReactorTime) -> dict[str, str]:
    """Return the lanes of domains whose mail goes by MX; those that aren't known in time are left out.

    Args:
        domains: at most as many as may be asked for at once.
        router: says how their mail goes.
        plan: names lanes.
        clock: limits the time.
    """
    routes = {domain: router.route(None, Address("", domain)) for domain in domains}
    hops = {domain: route for domain, route in routes.items() if isinstance(route, NextHop) and route.mx}
    tasks = [Task("lane.name", _found(plan, hop)) for hop in hops.values() if plan.known(hop) is None]
    try:
        await within(clock, WITHIN, _all(tasks))
    except TimeoutError:
        pass
    finally:
        for task in tasks:
            task.cancel()
    known = {domain: plan.known(hop) for domain, hop in hops.items()}
    return {domain: terms.name for domain, terms in known.items() if terms is not None}


async def _found(plan: ILanePlan, next_hop: NextHop) -> None:
    """Have the plan know the lane of a next hop."""
    await plan.find(next_hop)


async def _all(tasks: Sequence[Task[Any]]) -> None:
    for task in tasks:
        await task
