"""Where mail programs find what they need: SRV (RFC 6186, RFC 8314 section 5.1)."""

from __future__ import annotations

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.publishing.finding import Finding, advised, listed, right, unknown, wrong
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.presence import Presence, Service
from twistedmail_mta.publishing.record import Record


def service_records(presence: Presence, domain: str) -> list[Record]:
    """Return a record for each service that listeners offer."""
    return [_record(presence, service, domain) for service in presence.services]


async def check_services(presence: Presence, domain: str, lookup: Lookup) -> list[Finding]:
    """Compare: what is told must be true; people can type what isn't."""
    return [await _check(presence, service, domain, lookup) for service in presence.services]


def _record(presence: Presence, service: Service, domain: str) -> Record:
    content = f"{service.priority} 1 {service.port} {presence.hostname}."
    return Record(f"{service.label}.{domain}", "SRV", content, f"mail programs find {service.what}")


async def _check(presence: Presence, service: Service, domain: str, lookup: Lookup) -> Finding:
    record = _record(presence, service, domain)
    try:
        found = (await lookup.services(record.name)).records
    except TemporaryError:
        return unknown(record)
    names = {host.name for host in presence.hosts} | {each.name for each in presence.certificates}
    if any(each.port == service.port and each.target in names for each in found):
        return right(record, f"{service.what} is at port {service.port} of this host")
    if not found:
        return advised(record)
    places = listed([f"at {each.target}:{each.port}" if each.target else "nowhere" for each in found])
    return wrong(record, f"{service.what} is said to be {places}; publish", [record])
