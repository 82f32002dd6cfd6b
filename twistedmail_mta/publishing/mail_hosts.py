"""Where the mail of a domain goes: MX (RFC 5321 section 5.1)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.publishing.finding import Finding, listed, missing, right, unknown, wrong
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.presence import Presence
from twistedmail_mta.publishing.record import Record

PREFERENCE: Final = 10
MOST_HOSTS: Final = 10
"""How many are looked at, the best first."""


def mail_host(presence: Presence, domain: str) -> Record:
    """Return the MX record of a domain."""
    return Record(domain, "MX", f"{PREFERENCE} {presence.hostname}.", f"mail for {domain} comes to this host")


async def check_mail_hosts(presence: Presence, domain: str, lookup: Lookup) -> list[Finding]:
    """Compare: one of the hosts must be this one, and none an alias."""
    record = mail_host(presence, domain)
    try:
        found = sorted((await lookup.mx(domain)).records, key=lambda each: each.preference)[:MOST_HOSTS]
        hosts = [each.host for each in found if each.host]
        aliases = [each for each in hosts if each != presence.hostname and (await lookup.cname(each)).records]
        ours = [each for each in hosts if await _is_ours(presence, each, lookup)]
    except TemporaryError:
        return [unknown(record)]
    if not found:
        return [missing(record)]
    findings = [_alias(record, each) for each in aliases]
    if not hosts:
        text = f"it says that {domain} takes no mail (null MX, RFC 7505 section 3); publish instead"
        return [wrong(record, text, [record])]
    if not ours:
        text = f"mail goes to {listed(hosts)}, and none of these is this host; publish"
        return [*findings, wrong(record, text, [record])]
    if len(hosts) < len(found):
        text = f"beside {listed(hosts)} it says that {domain} takes no mail; remove that (RFC 7505 section 3)"
        return [*findings, wrong(record, text)]
    others = [each for each in hosts if each not in ours]
    text = f"mail comes to {listed(ours)}" + (f", or goes to {listed(others)}" if others else "")
    return findings or [right(record, text)]


async def _is_ours(presence: Presence, host: str, lookup: Lookup) -> bool:
    if host == presence.hostname:
        return True
    answers = [await lookup.addresses(host, family) for family in ("A", "AAAA")]
    return any(address in presence.addresses for answer in answers for address in answer.records)


def _alias(record: Record, host: str) -> Finding:
    text = f"{host} is an alias, which a name in MX records mustn't be (RFC 5321 section 5.1); publish what it leads to"
    return wrong(record, text)
