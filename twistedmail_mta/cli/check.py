"""`mta check`: everything that is wrong with a site, before the server is started."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import click

from twistedmail_mta.checks.finding import Finding, as_object, errors_of
from twistedmail_mta.checks.local import findings_of, findings_of_file
from twistedmail_mta.cli.making import findings_of_plugins
from twistedmail_mta.cli.offline import finished
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json
from twistedmail_mta.composition.demanding import is_dane_wanted
from twistedmail_mta.composition.settings import nameservers_of, probe_of
from twistedmail_mta.config.problems import ConfigError, key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.domain_rows import list_domains
from twistedmail_mta.directory.expansion import Places
from twistedmail_mta.directory.inspection import Shortcoming, shortcomings, unkept
from twistedmail_mta.directory.site_domains import SiteDomains, site_domains
from twistedmail_mta.dns.blocking import BlockingServer
from twistedmail_mta.dns.validation import verdict_on_all
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.owner import act_as_owner_of
from twistedmail_mta.store.sync import look_into

_MEND_OF_FILE: Final = "correct it in the site file; etc/mta.toml explains every key"
PATIENCE: Final = 2.0
"""Seconds that a name server gets for an answer, if the site file doesn't say less."""


@click.command()
@pass_invocation
def check(invocation: Invocation) -> None:
    """Validate the site file, the certificates and the directories.

    Exit status 0: the server can be started (there may be warnings); 1: it
    can't.  Run it as root, so that it can look with the eyes of the user whom
    the server runs as.
    """
    source, findings = _look(invocation)
    refused = bool(errors_of(findings))
    if invocation.as_json:
        items = list(map(as_object, findings))
        print_json({"file": source, "ok": not refused, "findings": items})
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo(_verdict(source, refused=refused))
    sys.exit(1 if refused else 0)


def _look(invocation: Invocation) -> tuple[str | None, Sequence[Finding]]:
    try:
        chosen = invocation.chosen_site()
    except ConfigError as error:
        return error.source, [Finding("error", item.path, item.text, _MEND_OF_FILE) for item in error.problems]
    if chosen.source is None:
        return None, []
    findings = [*findings_of(chosen.site, datetime.now(UTC)), *findings_of_file(chosen.source, chosen.site)]
    if not errors_of(findings):
        findings += _findings_of_directory(chosen.site)
        findings += findings_of_plugins(chosen.site)
        findings += _findings_of_servers(chosen.site)
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
    return [*map(_finding, found or ()), *(quarantine or ())]


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


def _findings_of_servers(site: Site) -> list[Finding]:
    """Ask the name servers whether they validate, if DANE is to rely on that."""
    if not is_dane_wanted(site) or site.dns.dnssec == "trust":
        return []
    timeout = min(site.dns.timeout, PATIENCE)
    trusted = [server for server in nameservers_of(site) if server.trusted]
    askers = [(server.address, BlockingServer(server, timeout)) for server in trusted]
    verdict = finished(verdict_on_all(askers, probe_of(site)))
    if verdict.state == "proven":
        return []
    text = f"the name servers aren't known to validate, so DANE is off: {verdict.reason}"
    mend = 'let a validating resolver such as unbound run on this host, and name it: nameservers = ["127.0.0.1"]'
    return [Finding("warning", "dns.dnssec", text, mend, "resolver")]


def _finding(item: Shortcoming) -> Finding:
    path = key_path(("domains", item.domain)) if item.domain is not None else "server.admin"
    return Finding("error" if item.is_fatal else "warning", path, item.text, item.mend, "domains")


def _verdict(source: str | None, *, refused: bool) -> str:
    if source is None:
        return "There is no site file; `twistd -n mta` would start the trial site here."
    return f"{source} can't be used as it is." if refused else f"{source} is ready to be used."
