"""What hosts that send mail here may demand of the certificate: TLSA (RFC 7672, RFC 6698)."""

from __future__ import annotations

from hashlib import sha256

from twistedmail_mta.dane.matching import anchors, is_named, public_key
from twistedmail_mta.dane.records import TLSA, usable
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.publishing.finding import Finding, missing, right, unknown, wrong
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.presence import Certificate, Presence
from twistedmail_mta.publishing.record import Record


def certificate_records(presence: Presence) -> list[Record]:
    """Return a record for the key of each certificate; a comment where the zone isn't signed."""
    return [_record(each) for each in presence.certificates]


async def check_certificates(presence: Presence, lookup: Lookup) -> list[Finding]:
    """Compare: one of the records must fit what is shown, if there are any, or should be."""
    return [await _check(each, lookup) for each in presence.certificates]


def _record(certificate: Certificate) -> Record:
    why = "senders that know DANE accept this key alone; another key needs its record here before it is used"
    if not certificate.is_signed:
        why = "of no use as long as the zone isn't signed (DNSSEC); then: " + why
    digest = sha256(public_key(certificate.chain[0])).hexdigest()
    return Record(f"_25._tcp.{certificate.name}", "TLSA", f"3 1 1 {digest}", why, is_comment=not certificate.is_signed)


async def _check(certificate: Certificate, lookup: Lookup) -> Finding:
    record = _record(certificate)
    try:
        found = (await lookup.tlsa(record.name)).records
    except TemporaryError:
        return unknown(record)
    if _fit(found, certificate):
        return right(record, "it fits the certificate")
    if found:
        text = "no record fits the certificate, so senders that know DANE can't deliver; publish"
        return wrong(record, text, [record])
    if certificate.is_signed:
        return missing(record)
    text = "there is none, and it would be of no use: the zone isn't signed, or the resolver doesn't tell"
    return Finding("note", record.name, record.rdtype, text)


def _fit(found: tuple[TLSA, ...], certificate: Certificate) -> bool:
    """Return whether a sender finds what it is told to look for (RFC 7672 section 3.1)."""
    records = usable(found)
    leaf, *issuers = certificate.chain
    return is_named(records, leaf) or any(issuer in issuers for issuer in anchors(records, issuers))
