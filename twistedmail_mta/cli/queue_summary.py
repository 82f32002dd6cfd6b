"""`mta queue summary`: how much waits for what, and how old it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import click

from twistedmail_mta.cli.offline import finished
from twistedmail_mta.cli.queue_selection import controlled, count_of, selected
from twistedmail_mta.cli.site import Invocation, print_json, print_table
from twistedmail_mta.control.client import RefusedError, tell
from twistedmail_mta.directory.domain_rows import list_domains
from twistedmail_mta.interfaces import IRouter
from twistedmail_mta.model import Address, NextHop
from twistedmail_mta.routes import hop_text
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.operator_summary import AGES, WAY, Group

_COLUMNS: Final = ("<10m", "<1h", "<4h", "<12h", "<1d", "<2d", "2d+")
"""As `AGES` has them."""
_HEADINGS: Final = {
    "lane": "Next hop",
    "domain": "Domain",
    "reason": "Reason",
    "age": "Age",
    "account": "Account",
}
_NO_ACCOUNT: Final = "(no login)"
_AT_ONCE: Final = 50
_ASKED: Final = 500
"""Domains whose lanes a running server is asked for; each may take it a question to the DNS."""

Groups = Mapping[str, Sequence[int]]


@click.command()
@selected
@click.option("--by", type=click.Choice(list(_HEADINGS)), default="domain", show_default=True, help="Make groups.")
@click.option("--limit", type=click.IntRange(1), default=30, show_default=True, help="Show that many groups.")
def summary(invocation: Invocation, selection: Selection, by: Group, limit: int) -> None:
    """Count recipients in groups, and by age."""
    with controlled(invocation) as control:
        groups: Groups = finished(control.summary(by, selection))
    if by == "lane":
        groups = _lanes(invocation, groups)
    largest = sorted(groups.items(), key=lambda group: (-sum(group[1]), group[0]))
    total = [sum(column) for column in zip(*groups.values(), strict=True)] or [0] * len(_COLUMNS)
    if invocation.as_json:
        print_json(_as_json(by, largest[:limit], total))
    elif by == "age":
        rows = [[name, str(number)] for name, number in zip(_COLUMNS, total, strict=True) if number]
        print_table(["Age", ">Recipients"], rows, "The queue is empty.")
    else:
        _print(by, largest, total, limit)


def _print(by: Group, groups: Sequence[tuple[str, Sequence[int]]], total: Sequence[int], limit: int) -> None:
    rows = [_row(name or _NO_ACCOUNT, numbers) for name, numbers in groups[:limit]]
    if rows:
        rows.insert(0, _row("TOTAL", total))
    print_table([_HEADINGS[by], ">Total", *(f">{name}" for name in _COLUMNS)], rows, "The queue is empty.")
    rest = groups[limit:]
    if rest:
        number = sum(sum(numbers) for _, numbers in rest)
        click.echo(f"And {len(rest)} more with {count_of(number)}; --limit shows more.")


def _row(name: str, numbers: Sequence[int]) -> list[str]:
    return [name, str(sum(numbers)), *(str(number) if number else "." for number in numbers)]


def _as_json(by: Group, groups: Sequence[tuple[str, Sequence[int]]], total: Sequence[int]) -> dict[str, object]:
    listed = [] if by == "age" else [{"name": name, **_numbers(numbers)} for name, numbers in groups]
    return {"by": by, **_numbers(total), "groups": listed}


def _numbers(numbers: Sequence[int]) -> dict[str, object]:
    ages = [*AGES, None]
    return {
        "recipients": sum(numbers),
        "ages": [{"below": age, "recipients": number} for age, number in zip(ages, numbers, strict=True)],
    }


def _lanes(invocation: Invocation, domains: Groups) -> dict[str, list[int]]:
    """Add up the domains that go the same way; a running server knows which MX hosts they share."""
    from twistedmail_mta.composition.settings import make_router  # noqa: PLC0415 - it imports the whole server

    with invocation.database() as database:
        added = {domain.name for domain in database.read(list_domains)}
    site = invocation.chosen_site().site
    router = make_router(site, (added | site.hosted.keys()).__contains__)
    shared = _shared(invocation, domains)
    lanes: dict[str, list[int]] = {}
    for domain, numbers in domains.items():
        name = shared.get(domain) or _way(router, domain)
        found = lanes.setdefault(name, [0] * len(numbers))
        lanes[name] = [have + more for have, more in zip(found, numbers, strict=True)]
    return lanes


def _way(router: IRouter, domain: str) -> str:
    """Return the next hop of a domain as the site file says, or the way that an operator chose."""
    if domain.startswith(WAY):
        return domain.removeprefix(WAY)
    route = router.route(None, Address("", domain))
    return hop_text(route) if isinstance(route, NextHop) else "(no next hop)"


def _shared(invocation: Invocation, domains: Groups) -> dict[str, str]:
    """Return the lanes of the largest domains, as a running server names them."""
    largest = sorted((name for name in domains if not name.startswith(WAY)), key=lambda name: -sum(domains[name]))
    names: dict[str, str] = {}
    for start in range(0, min(len(largest), _ASKED), _AT_ONCE):
        domains_asked = {"domains": largest[start : start + _AT_ONCE]}
        try:
            answer = tell(invocation.state_dir(), "queue.lanes", domains_asked)
        except RefusedError:  # domains are shown apart then, which is no less true
            break
        if answer is None:
            break
        names |= answer["lanes"]
    return names
