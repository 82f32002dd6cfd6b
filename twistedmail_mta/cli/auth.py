"""`mta auth`: whether mail is whose it says it is, asked by hand."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import click

from twistedmail_mta.cli.auth_message import message
from twistedmail_mta.cli.auth_values import PATIENCE, as_ip, as_sender
from twistedmail_mta.cli.reacting import waited_for
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, printable
from twistedmail_mta.composition.settings import nameservers_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.dns.exchange import IReactorDNS
from twistedmail_mta.dns.resolver import make_resolver
from twistedmail_mta.model import NULL_PATH, Address
from twistedmail_mta.policy.asking import TimedResolver
from twistedmail_mta.spf.identity import Checked, Visit, check_sender
from twistedmail_mta.spf.record import Result

STATUSES: Final[dict[Result, int]] = {
    "pass": 0,
    "none": 10,
    "neutral": 11,
    "softfail": 12,
    "fail": 13,
    "temperror": 14,
    "permerror": 15,
}
"""Exit statuses."""


@click.group()
def auth() -> None:
    """Find out whether mail is whose it says it is."""


auth.add_command(message)


@auth.command()
@click.option("--ip", required=True, metavar="ADDRESS", callback=as_ip, help="The client's IPv4 or IPv6 address.")
@click.option(
    "--from",
    "sender",
    default="",
    metavar="ADDRESS",
    callback=as_sender,
    help="The sender; without it --helo is checked.",
)
@click.option("--helo", default="", metavar="NAME", help="What the client says in HELO or EHLO.")
@pass_invocation
def spf(invocation: Invocation, ip: str, sender: Address, helo: str) -> None:
    """Find out whether a client may send mail for a sender's domain, by SPF.

    The nameservers are those of the site file, or the system's.  Exit status
    0: pass, 10: none, 11: neutral, 12: softfail, 13: fail, 14: temperror,
    15: permerror; 1 and 2: it couldn't be found out, by the site file or the
    command line.
    """
    if sender == NULL_PATH and not helo:
        raise click.UsageError("--from or --helo is needed; the null sender is checked by --helo")
    site = invocation.chosen_site().site
    visit = Visit(ip, helo, site.server.hostname, time.time())
    checked = waited_for(lambda reactor: _checked(reactor, site, visit, sender))
    if invocation.as_json:
        print_json(_as_json(checked))
    else:
        for line in _lines(visit, checked):
            click.echo(printable(line))
    sys.exit(STATUSES[checked.verdict.result])


async def _checked(reactor: IReactorDNS, site: Site, visit: Visit, sender: Address) -> Checked:
    resolver = make_resolver(reactor, nameservers_of(site), site.dns.timeout)
    try:
        return await check_sender(visit, sender, TimedResolver(resolver, reactor, PATIENCE))
    finally:
        resolver.stop()


def _as_json(checked: Checked) -> dict[str, Any]:
    verdict = checked.verdict
    return {
        "result": verdict.result,
        "identity": checked.identity,
        "value": checked.value,
        "domain": verdict.domain,
        "decided_by": verdict.decided_by,
        "explanation": verdict.explanation,
        "problem": verdict.problem,
        "asked": [{"type": each.rdtype, "name": each.name, "outcome": each.outcome} for each in verdict.asked],
        "properties": dict(checked.properties),
    }


def _lines(visit: Visit, checked: Checked) -> list[str]:
    verdict, who = checked.verdict, "HELO " if checked.identity == "helo" else ""
    lines = [f"{verdict.result}: {visit.ip} as {who}{checked.value}"]
    lines += [f"  {verdict.problem}"] if verdict.problem else []
    lines += [f"  decided by {' > '.join(verdict.decided_by)}"] if verdict.decided_by else []
    lines += [f"  {verdict.domain} says: {verdict.explanation}"] if verdict.explanation else []
    return lines + [f"  asked {each.rdtype} {each.name}: {each.outcome}" for each in verdict.asked]
