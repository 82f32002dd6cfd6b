"""What receivers should make of mail and tell: DMARC (RFC 9989) and reports about TLS (RFC 8460)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twistedmail_mta.dkim.tags import TagError, parse_tags
from twistedmail_mta.dmarc.author import Author
from twistedmail_mta.dmarc.evaluation import discovered
from twistedmail_mta.dmarc.record import is_record as is_policy
from twistedmail_mta.dmarc.tree import Records
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.publishing.finding import Finding, advised, missing, right, unknown, wrong
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.presence import Presence
from twistedmail_mta.publishing.record import Record
from twistedmail_mta.publishing.report_places import elsewhere, uri_of_reports

_POLICIES: Final = (b"none", b"quarantine", b"reject")
_TLS: Final = b"TLSRPTv1"


def policy_record(presence: Presence, domain: str) -> Record:
    """Return a DMARC record to begin with."""
    why = (
        f"what to make of mail in the name of {domain} that isn't: nothing yet, but reports of it;"
        " p=quarantine, then p=reject, once they show that all of yours passes"
    )
    return Record(f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=none; rua={uri_of_reports(presence, domain)}", why)


def tls_report_record(presence: Presence, domain: str) -> Record:
    """Return a TLS-RPT record."""
    why = f"where hosts tell of TLS that failed when they sent to {domain}"
    return Record(f"_smtp._tls.{domain}", "TXT", f"v=TLSRPTv1; rua={uri_of_reports(presence, domain)}", why)


async def check_policy(presence: Presence, domain: str, lookup: Lookup) -> Finding:
    """Find the DMARC record that applies to a domain, its own or one above it; any policy is right."""
    record = policy_record(presence, domain)
    verdict = (await discovered(Author(domain), Records(lookup.texts), _exists)).verdict
    try:
        own = [text for text in (await lookup.texts(record.name)).records if is_policy(text)]
    except TemporaryError:
        return unknown(record)
    if verdict.result == "temperror":
        return unknown(record)
    if len(own) > 1:
        return wrong(record, "there are several, so none counts (RFC 9989 section 4.10); leave one, such as", [record])
    if verdict.record is None:
        return missing(record)
    if verdict.record.broken or (own and not _says_policy(own[0])):
        published = _shown(own[0]) if own else f"what {verdict.found_at} publishes"
        return wrong(record, f"{published} has a policy that is none; publish", [record])
    above = "" if verdict.found_at == domain else f", as {verdict.found_at} says"
    remark = elsewhere(presence, verdict.record.aggregate)
    return right(record, f"the policy is {verdict.policy}{above}{remark}")


async def check_tls_report(presence: Presence, domain: str, lookup: Lookup) -> Finding:
    """Look for a TLS-RPT record (RFC 8460 section 3)."""
    record = tls_report_record(presence, domain)
    try:
        texts = [text for text in (await lookup.texts(record.name)).records if _version(text) == _TLS]
    except TemporaryError:
        return unknown(record)
    if not texts:
        return advised(record)
    if len(texts) > 1:
        return wrong(record, "there are several, so none counts (RFC 8460 section 3); leave one, such as", [record])
    tags = _tags(texts[0])
    places = tags.get(b"rua", b"").split(b",") if tags is not None else []
    if not all(place.strip().lower().startswith((b"mailto:", b"https:")) for place in places) or not places:
        return wrong(record, f"{_shown(texts[0])} names no place for reports; publish", [record])
    return right(record, f"reports go to {_shown(tags[b'rua']) if tags else ''}")


async def _exists(_: str) -> bool:
    """Domains whose mail is kept here do."""
    return True


def _says_policy(text: bytes) -> bool:
    """Return whether p= is one, or left out; others make of a wrong one what they like."""
    tags = _tags(text)
    return tags is not None and tags.get(b"p", b"none").lower() in _POLICIES


def _version(text: bytes) -> bytes | None:
    """Return the value of the tag v that a text begins with, whatever follows."""
    name, equals, value = text.partition(b";")[0].partition(b"=")
    return value.strip() if equals and name.strip() == b"v" else None


def _tags(text: bytes) -> Mapping[bytes, bytes] | None:
    try:
        return parse_tags(text)
    except TagError:
        return None


def _shown(text: bytes) -> str:
    return repr(text[:200].decode("utf-8", "replace"))
