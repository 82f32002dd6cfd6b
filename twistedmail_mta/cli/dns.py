"""`mta dns`: what a site has to publish in the DNS, and whether it is there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import click

from twistedmail_mta.cli.dns_addresses import known_addresses
from twistedmail_mta.cli.dns_lookup import PublicRecords
from twistedmail_mta.cli.dns_presence import Domains, presence_of, shown_certificates
from twistedmail_mta.cli.hosting import OpenDirectory, as_domain, open_directory
from twistedmail_mta.cli.reacting import waited_for
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, printable
from twistedmail_mta.composition.demanding import IReactorDemands, validation_of
from twistedmail_mta.composition.settings import nameservers_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.dkim_rows import keys_of
from twistedmail_mta.dns.resolver import make_resolver
from twistedmail_mta.dns.validation import PROVEN, Validation
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.policy.own_names import OwnNames, with_names
from twistedmail_mta.policy.web import WebClient
from twistedmail_mta.publishing.finding import Finding, exit_status
from twistedmail_mta.publishing.presence import Presence
from twistedmail_mta.publishing.record import Record
from twistedmail_mta.publishing.zone import check_all, records_of, records_of_hosts, zone_lines
from twistedmail_mta.tasks import TaskGroup
from twistedmail_mta.tls.client import ClientTLS


def _as_domains(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> list[str]:
    return [name for value in values if (name := as_domain(context, parameter, value)) is not None]


@click.command()
@click.argument("domains", metavar="[DOMAIN]...", nargs=-1, callback=_as_domains)
@click.option("--check", is_flag=True, help="Compare with what the DNS says.")
@pass_invocation
def dns(invocation: Invocation, domains: Sequence[str], *, check: bool) -> None:
    """Print the DNS records that a site needs, as a zone file has them.

    Of this host and of every hosted domain, or of some.  With --check compare
    them with the DNS, by what they mean; exit status 0: all is right, 1:
    something is missing or wrong, 2: something couldn't be found out.
    """
    site = invocation.chosen_site().site
    shown = shown_certificates(site)  # as root, if this is root
    with open_directory(invocation) as directory:
        found = directory.read(partial(_found, directory, frozenset(site.policies), domains))
    presence = presence_of(site, known_addresses(site), shown, found)
    presence, findings = _asked(site, presence, check=check)
    if check:
        _print_findings(invocation, findings)
        sys.exit(exit_status(findings))
    _print_records(invocation, presence)


def _found(directory: OpenDirectory, policies: frozenset[str], wanted: Sequence[str], tx: Transaction) -> Domains:
    """Return the domains that are wanted, with the keys of these and of the host's own name."""
    hosted = directory.domains(tx)
    sent_on = policies - frozenset(hosted)
    for name in wanted:
        if name not in hosted and name not in sent_on:
            raise DirectoryError(f"mail of {name} isn't kept here; mta domain list shows whose is")
    names = tuple(dict.fromkeys(wanted)) or tuple(sorted({*hosted, *sent_on}))
    others = frozenset(hosted) - set(names)
    keys = tuple(key for key in keys_of(tx) if key.state != "gone" and key.domain not in others)
    return Domains(names, others, keys, sent_on)


def _asked(site: Site, presence: Presence, *, check: bool) -> tuple[Presence, list[Finding]]:
    """Ask the DNS for what is needed: to print, whether zones of certificates' names are signed; that needs little."""
    if not check and not presence.certificates:
        return presence, []
    return waited_for(lambda reactor: compared(cast(IReactorDemands, reactor), site, presence, check=check))


async def compared(
    reactor: IReactorDemands, site: Site, presence: Presence, *, check: bool
) -> tuple[Presence, list[Finding]]:
    """Ask the DNS which zones are signed and, to `check`, whether all is there that should be."""
    resolver = make_resolver(reactor, nameservers_of(site), site.dns.timeout)
    tls = ClientTLS(site.outbound.ca_file)
    web = WebClient(with_names(reactor, OwnNames(resolver, lambda _: False)), tls, keep=False)  # this host, too
    lookup = PublicRecords(resolver, reactor, web)
    validation = validation_of(reactor, site, TaskGroup())
    try:
        known = await _with_signed(presence, lookup, validation)
        return known, await check_all(known, lookup) if check else []
    finally:
        validation.stop()
        await web.close()
        resolver.stop()


async def _with_signed(presence: Presence, lookup: PublicRecords, validation: Validation) -> Presence:
    """Return which certificates' zones are signed; who says so is believed only if he is proven to have looked."""
    said = [await lookup.is_signed(f"_25._tcp.{each.name}") for each in presence.certificates]
    verdict = await validation.verdict() if any(said) else PROVEN
    if verdict == PROVEN:
        pairs = zip(presence.certificates, said, strict=True)
        return replace(presence, certificates=tuple(replace(each, is_signed=signed) for each, signed in pairs))
    remark = f"whether zones are signed isn't known, as the name servers aren't known to validate: {verdict.reason}"
    return replace(presence, remarks=(*presence.remarks, remark))


def _print_records(invocation: Invocation, presence: Presence) -> None:
    if not invocation.as_json:
        for line in zone_lines(presence):
            click.echo(line)
        return
    domains = {name: [_as_object(each) for each in records_of(presence, name)] for name in presence.domains}
    hosts = [_as_object(each) for each in records_of_hosts(presence)]
    remarks = [*presence.doubts, *presence.remarks]
    print_json({"addresses_from": presence.known_from, "remarks": remarks, "host": hosts, "domains": domains})


def _print_findings(invocation: Invocation, findings: Sequence[Finding]) -> None:
    status = exit_status(findings)
    if invocation.as_json:
        print_json({"ok": not status, "findings": [_told(each) for each in findings]})
        return
    for finding in findings:
        click.echo("\n".join(map(printable, str(finding).split("\n"))))
    click.echo(("All is right.", "Something is missing or wrong.", "Not all could be found out.")[status])


def _as_object(record: Record) -> dict[str, Any]:
    return {
        "name": record.name,
        "type": record.rdtype,
        "content": record.content,
        "zone_file": record.text,
        "why": record.why,
        "is_comment": record.is_comment,
    }


def _told(finding: Finding) -> dict[str, Any]:
    publish = [{"name": each.name, "type": each.rdtype, "content": each.content} for each in finding.publish]
    told = {"state": finding.state, "name": finding.name, "type": finding.rdtype, "text": finding.text}
    return {**told, "publish": publish}
