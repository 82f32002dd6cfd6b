"""Where reports about a domain are to come (RFC 9990 section 4, RFC 8460 section 3), and the consent that may take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

from twistedmail_mta.dmarc.record import is_record
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.publishing.finding import Finding, missing, right, unknown
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.presence import Presence
from twistedmail_mta.publishing.record import Record

_PLAIN: Final = "@.-_~+="
"""What of an address needs no encoding there."""


def place_of_reports(presence: Presence, domain: str) -> str:
    """Return the address that reports about a domain are to go to.

    One that is read here, if there is any: in the domain itself, if there is one there.
    Else it is the domain's postmaster.
    """
    own = [each for each in presence.reports if _domain_of(each) == domain]
    return next(iter((*own, *presence.reports)), f"postmaster@{domain}")


def uri_of_reports(presence: Presence, domain: str) -> str:
    """Return that address as records name it: what separates addresses there is encoded (RFC 6068 section 2)."""
    return f"mailto:{quote(place_of_reports(presence, domain), safe=_PLAIN)}"


def consent_records(presence: Presence, domain: str) -> list[Record]:
    """Return the record by which another domain lets reports about this one come to it; none where none is needed."""
    place = place_of_reports(presence, domain)
    host = _domain_of(place)
    if host == domain or host.endswith(f".{domain}") or domain.endswith(f".{host}"):
        return []
    why = f"lets DMARC reports about {domain} come to {place}"
    return [Record(f"{domain}._report._dmarc.{host}", "TXT", "v=DMARC1", why)]


async def check_consent(presence: Presence, domain: str, lookup: Lookup) -> list[Finding]:
    """Look for that record, if the domain has its reports sent there, or nowhere yet."""
    findings = []
    place = place_of_reports(presence, domain)
    for record in consent_records(presence, domain):
        try:
            own = [text for text in (await lookup.texts(f"_dmarc.{domain}")).records if is_record(text)]
            if own and not any(place.lower() in unquote(text.decode("utf-8", "replace")).lower() for text in own):
                continue
            is_there = any(map(is_record, (await lookup.texts(record.name)).records))
        except TemporaryError:
            findings.append(unknown(record))
        else:
            found = right(record, f"reports may come to {place}")
            findings.append(found if is_there else missing(record))
    return findings


def elsewhere(presence: Presence, uris: Iterable[str]) -> str:
    """Return a remark on where reports go instead of to where they are read; empty if they do, or none are read."""
    wanted = {f"mailto:{each}".lower() for each in presence.reports}
    named = {unquote(uri.strip().partition("!")[0]).lower() for uri in uris}
    return (
        ""
        if not wanted or wanted & named
        else f"; its reports don't come to {presence.reports[0]}, where they are read"
    )


def _domain_of(address: str) -> str:
    return address.rpartition("@")[2]
