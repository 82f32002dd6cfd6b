"""`mta acme`: the certificates that an authority issues by itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from twistedmail_mta.acme.files import Standing, standing
from twistedmail_mta.acme.words import as_object, issuer, moment, state
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.config.site import Site
from twistedmail_mta.control.client import ControlClient, NotRunningError
from twistedmail_mta.tls.certificates import CertificateError

WITHIN: Final = 600.0
"""Seconds for the answer: each certificate may take the authority two minutes."""


@click.group()
def acme() -> None:
    """Look at the certificates that [acme] provides; renew them."""


@acme.command()
@pass_invocation
def status(invocation: Invocation) -> None:
    """Show each name's certificate, when it is renewed, and why that failed last."""
    site = _site(invocation)
    now = time.time()
    found = _standings(invocation, site, now)
    if invocation.as_json:
        print_json([as_object(each, now) for each in found])
        return
    columns = ["Name", "Shown", "Issuer", ">Days left", "Next attempt", "Last error"]
    print_table(columns, [_row(each, now) for each in found], "")


@acme.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--new-key", is_flag=True, help="With other keys; TLSA records of theirs must be published before.")
@pass_invocation
def renew(invocation: Invocation, names: Sequence[str], *, new_key: bool) -> None:
    """Let the running server ask for certificates now, of all names or of some.

    What the authority may be asked for is limited: once a minute, four times
    an hour, and for four certificates of a name in a week.  Exit status 0: all
    were issued; 1: not all.
    """
    site = _site(invocation)
    wanted = [name.lower() for name in names] or list(site.acme_names)
    if unknown := [name for name in wanted if name not in site.acme_names]:
        raise click.ClickException(f"[acme] doesn't name {', '.join(unknown)}")
    state_dir = invocation.state_dir()
    try:
        with ControlClient(state_dir, WITHIN) as client:
            attempts = client.call("acme.renew", {"names": wanted, "new_key": new_key})["attempts"]
    except NotRunningError:
        raise click.ClickException(
            f"no server runs in {state_dir}, and it has to answer the authority's challenge"
        ) from None
    if invocation.as_json:
        print_json(attempts)
    else:
        for attempt in attempts:
            click.echo(_said(attempt))
    sys.exit(0 if all(attempt["outcome"] == "issued" for attempt in attempts) else 1)


def _site(invocation: Invocation) -> Site:
    site = invocation.chosen_site().site
    if site.acme is None:
        raise click.ClickException("the site file has no [acme]; see docs/operating.md")
    return site


def _standings(invocation: Invocation, site: Site, now: float) -> list[Standing]:
    if site.acme is None:
        return []
    state_dir = invocation.state_dir()
    try:
        return [standing(state_dir, name, site.acme, now) for name in site.acme_names]
    except CertificateError as error:
        raise click.ClickException(str(error)) from error


def _row(each: Standing, now: float) -> list[str]:
    days = f"{each.days_left(now):.0f}" if each.is_issued else ""
    who = issuer(each) if each.is_issued else ""
    return [each.name, state(each, now), who, days, moment(each.next_at(), now), each.record.error]


def _said(attempt: Mapping[str, Any]) -> str:
    name, when = attempt["name"], moment(attempt["next_at"], time.time())
    match attempt["outcome"]:
        case "issued":
            return f"{name}: issued, and shown to whoever connects from now on."
        case "waits":
            reason = f" (last error: {attempt['text']})" if attempt["text"] else ""
            return f"{name}: not asked for, so that the authority goes on listening; possible from {when} on{reason}"
    return f"{name}: failed: {attempt['text']}; tried again at {when}"
