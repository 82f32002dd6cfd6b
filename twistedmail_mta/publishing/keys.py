"""The keys that signatures are checked with: DKIM (RFC 6376 section 3.6.1)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.dkim.showing import Shown, shown
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.publishing.finding import Finding, missing, right, unknown, wrong
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.presence import Presence, PublishedKey
from twistedmail_mta.publishing.record import Record

_USES: Final = {
    "made": "signs as soon as the DNS shows it, if no other does",
    "published": "can sign: mta dkim rotate",
    "signing": "signs",
    "retired": "has signed what may still be on its way",
}


def key_records(presence: Presence, domain: str) -> list[Record]:
    """Return the records of the keys that sign, will sign, or have signed a domain's mail."""
    return [_record(key) for key in presence.keys if key.domain == domain]


def host_key_records(presence: Presence) -> list[Record]:
    """Return the records of keys that sign what this host says under its own name."""
    return [_record(key) for key in _keys_of_host(presence)]


async def check_keys(presence: Presence, domain: str, lookup: Lookup) -> list[Finding]:
    """Compare the keys of a domain; how a record is written makes no difference."""
    keys = [key for key in presence.keys if key.domain == domain]
    return [await _check(key, lookup) for key in keys] or [_unsigned(domain)]


async def check_host_keys(presence: Presence, lookup: Lookup) -> list[Finding]:
    """Compare those that sign under the host's own name."""
    return [await _check(key, lookup) for key in _keys_of_host(presence)]


def _keys_of_host(presence: Presence) -> list[PublishedKey]:
    return [key for key in presence.keys if not presence.is_domain(key.domain)]


def _record(key: PublishedKey) -> Record:
    return Record(key.name, "TXT", key.record, f"a DKIM key of {key.domain}: it {_USES[key.state]}")


def _unsigned(domain: str) -> Finding:
    text = f"mail of {domain} isn't signed; mta dkim create {domain} makes keys"
    return Finding("note", domain, "", text)


async def _check(key: PublishedKey, lookup: Lookup) -> Finding:
    record = _record(key)
    try:
        texts = (await lookup.texts(key.name)).records
    except TemporaryError:
        return unknown(record)
    found: Shown = shown(key.kind, key.public, texts)
    if found == "yes":
        return right(record, f"it is the key; it {_USES[key.state]}")
    if found == "no":
        return missing(record)
    return wrong(record, "it is another key, revoked or for tests only; publish", [record])
