"""All records of a site in their order, and all that is found about them."""

from __future__ import annotations

from collections.abc import Iterator

from twistedmail_mta.publishing.certificates import certificate_records, check_certificates
from twistedmail_mta.publishing.finding import Finding
from twistedmail_mta.publishing.hosts import check_hosts, host_records
from twistedmail_mta.publishing.keys import check_host_keys, check_keys, host_key_records, key_records
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.mail_hosts import check_mail_hosts, mail_host
from twistedmail_mta.publishing.policies import check_policy, check_tls_report, policy_record, tls_report_record
from twistedmail_mta.publishing.presence import Presence
from twistedmail_mta.publishing.record import Record
from twistedmail_mta.publishing.report_places import check_consent, consent_records
from twistedmail_mta.publishing.senders import check_host_senders, check_sender, host_sender_records, sender_record
from twistedmail_mta.publishing.services import check_services, service_records
from twistedmail_mta.publishing.transport_policies import check_transport_policy, transport_policy_records


def records_of_hosts(presence: Presence) -> list[Record]:
    """Return the records of the host's own names."""
    return [
        *host_records(presence),
        *host_sender_records(presence),
        *host_key_records(presence),
        *certificate_records(presence),
    ]


def records_of(presence: Presence, domain: str) -> list[Record]:
    """Return the records of a domain; of one whose mail is sent on those that tell of its policy."""
    if domain in presence.sent_on:
        return transport_policy_records(presence, domain)
    return [
        mail_host(presence, domain),
        sender_record(presence, domain),
        *key_records(presence, domain),
        policy_record(presence, domain),
        *consent_records(presence, domain),
        *transport_policy_records(presence, domain),
        tls_report_record(presence, domain),
        *service_records(presence, domain),
    ]


def zone_lines(presence: Presence) -> Iterator[str]:
    """Yield the lines of a zone file, or of several: what belongs to one domain stands together."""
    yield f"; {presence.hostname}, this host; its addresses are {presence.known_from}"
    for text in (*presence.doubts, *presence.remarks):
        yield f"; {text}"
    yield from _lines(records_of_hosts(presence))
    for domain in presence.domains:
        yield ""
        yield f"; {domain}"
        if domain not in presence.sent_on and not key_records(presence, domain):
            yield f"; no DKIM keys: mta dkim create {domain} makes some"
        yield from _lines(records_of(presence, domain))


async def check_all(presence: Presence, lookup: Lookup) -> list[Finding]:
    """Compare all of it with the DNS, as the site's resolver has it."""
    findings = [Finding("unknown", "", "", text) for text in presence.doubts]
    findings += [Finding("note", "", "", text) for text in presence.remarks]
    findings += await check_hosts(presence, lookup)
    findings += await check_host_senders(presence, lookup)
    findings += await check_host_keys(presence, lookup)
    findings += await check_certificates(presence, lookup)
    for domain in presence.domains:
        findings += await _check(presence, domain, lookup)
    return findings


async def _check(presence: Presence, domain: str, lookup: Lookup) -> list[Finding]:
    if domain in presence.sent_on:
        return await check_transport_policy(presence, domain, lookup)
    return [
        *await check_mail_hosts(presence, domain, lookup),
        *await check_sender(presence, domain, lookup),
        *await check_keys(presence, domain, lookup),
        await check_policy(presence, domain, lookup),
        *await check_consent(presence, domain, lookup),
        *await check_transport_policy(presence, domain, lookup),
        await check_tls_report(presence, domain, lookup),
        *await check_services(presence, domain, lookup),
    ]


def _lines(records: list[Record]) -> Iterator[str]:
    """Yield the lines of records; what several have in common is said once."""
    why = ""
    for record in records:
        first, *rest = record.lines
        if first != why:
            yield first
        yield from rest
        why = first
