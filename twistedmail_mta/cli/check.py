"""`mta check`: everything that is wrong with a site, before the server is started."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import click

from twistedmail_mta.checks.finding import Finding, as_object, errors_of
from twistedmail_mta.checks.local import findings_of, findings_of_file
from twistedmail_mta.checks.outbound import WELL_KNOWN
from twistedmail_mta.cli.dns_presence import shown_certificates
from twistedmail_mta.cli.making import findings_of_plugins
from twistedmail_mta.cli.preflight import (
    ASKING,
    SKIPPABLE,
    Callee,
    as_callee,
    findings_as_owner,
    findings_as_root,
    findings_of_others,
)
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, printable
from twistedmail_mta.config.problems import ConfigError, key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.accounts import address_key
from twistedmail_mta.directory.dkim_rows import in_use, keys_of
from twistedmail_mta.directory.domain_rows import list_domains
from twistedmail_mta.directory.expansion import Places
from twistedmail_mta.directory.inspection import Shortcoming, shortcomings, unkept
from twistedmail_mta.directory.site_domains import SiteDomains, site_domains
from twistedmail_mta.directory.tables import find_account
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.queue.own_mail import above
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.owner import act_as_owner_of
from twistedmail_mta.store.sync import look_into

_MEND_OF_FILE: Final = "correct it in the site file; etc/mta.toml explains every key"


@click.command()
@click.option("--offline", is_flag=True, help="Ask nobody else: no name server, no other host.")
@click.option(
    "--skip",
    "skipped",
    type=click.Choice(SKIPPABLE),
    multiple=True,
    help="Leave something out; may be repeated.",
)
@click.option("--strict", is_flag=True, help="Exit status 1 for warnings, too.")
@click.option(
    "--call",
    metavar="HOST[:PORT]",
    callback=as_callee,
    help=f"Whom to call, to see whether mail can leave; {WELL_KNOWN}.",
)
@pass_invocation
def check(invocation: Invocation, *, offline: bool, skipped: Sequence[str], strict: bool, call: Callee | None) -> None:
    """Look whether the site can be served, before it is: file, machine, network, DNS.

    Exit status 0: the server can be started (there may be warnings); 1: it
    can't.  Run it as root, so that it can look with the eyes of the user whom
    the server runs as.  It takes half a minute at most.
    """
    left_out = frozenset(skipped) | (ASKING if offline else frozenset())
    source, findings = _look(invocation, left_out, call)
    refused = bool(errors_of(findings))
    if invocation.as_json:
        print_json({"file": source, "ok": not refused, "findings": list(map(as_object, findings))})
    else:
        for finding in findings:
            click.echo("\n".join(map(printable, str(finding).split("\n"))))
        click.echo(_verdict(source, refused=refused))
    sys.exit(1 if refused or (strict and any(each.level == "warning" for each in findings)) else 0)


def _look(
    invocation: Invocation, left_out: frozenset[str], callee: Callee | None
) -> tuple[str | None, Sequence[Finding]]:
    try:
        chosen = invocation.chosen_site()
    except ConfigError as error:
        return error.source, [Finding("error", item.path, item.text, _MEND_OF_FILE) for item in error.problems]
    if chosen.source is None:
        return None, []
    site = chosen.site
    findings = [*findings_of(site, datetime.now(UTC)), *findings_of_file(chosen.source, site)]
    usable = not errors_of(findings)
    findings += findings_as_root(site, left_out)
    if usable:
        shown = shown_certificates(site)  # before root is given up
        findings += _findings_of_directory(site)
        findings += findings_of_plugins(site)
        findings += findings_as_owner(site, left_out)
        findings += findings_of_others(site, shown, left_out, callee)
    return str(chosen.source), findings


def _findings_of_directory(site: Site) -> list[Finding]:
    """Look at domains, accounts and aliases, if there is a database of this release yet."""
    path = site.server.state_dir / DATABASE_NAME
    if not path.exists():
        return []
    act_as_owner_of(path.parent)
    of_site, admin = site_domains(site.domains), site.server.admin
    found = look_into(path, lambda tx: list(shortcomings(of_site, admin, tx)))
    quarantine = look_into(path, lambda tx: _findings_of_quarantine(site, of_site, tx))
    reports = look_into(path, lambda tx: _findings_of_reports(site, tx))
    inboxes = look_into(path, lambda tx: _findings_of_inboxes(site, tx))
    return [*map(_finding, found or ()), *(quarantine or ()), *(reports or ()), *(inboxes or ())]


def _findings_of_quarantine(site: Site, of_site: SiteDomains, tx: Transaction) -> list[Finding]:
    """Look whether what is to be quarantined can go where the site file wants it."""
    mailbox = site.quarantine.mailbox
    if mailbox is None:
        return []
    places = Places(of_site.joined_by(list_domains(tx)), of_site.aliases, site.server.admin)
    problem = unkept(mailbox, places, tx)
    text = f"{problem}, so what is quarantined waits in the queue, for `mta quarantine`"
    mend = "name a mailbox that is kept here, or make one: mta account add"
    return [Finding("warning", "quarantine.mailbox", text, mend, "domains")] if problem else []


def _findings_of_reports(site: Site, tx: Transaction) -> list[Finding]:
    """Look whether reports to other domains can be signed, if the site file says whom they are from."""
    table = site.reports
    if table.address is None or not (table.dmarc or table.tls):
        return []
    domain = table.address.domain
    if any(in_use(keys_of(tx, each)) for each in above(domain)):
        return []
    text = f"no DKIM key signs for {domain}, nor for one above it, so no report goes to another domain by mail"
    mend = "make a key for the one that is hosted here: mta dkim create DOMAIN"
    return [Finding("warning", "reports.address", text, mend, "domains")]


def _findings_of_inboxes(site: Site, tx: Transaction) -> list[Finding]:
    """Look whether there are the accounts that reports are to come to."""
    missing = [name for name in map(address_key, site.reports.inbox) if find_account(tx, name) is None]
    text, mend = "there is no account {0}, so no report is read there", "mta account add {0}"
    return [Finding("warning", "reports.inbox", text.format(name), mend.format(name), "domains") for name in missing]


def _finding(item: Shortcoming) -> Finding:
    path = key_path(("domains", item.domain)) if item.domain is not None else "server.admin"
    return Finding("error" if item.is_fatal else "warning", path, item.text, item.mend, "domains")


def _verdict(source: str | None, *, refused: bool) -> str:
    if source is None:
        return "There is no site file: `mta quickstart` makes one; `twistd -n mta` would start the trial site here."
    return f"{source} can't be used as it is." if refused else f"{source} is ready to be used."
