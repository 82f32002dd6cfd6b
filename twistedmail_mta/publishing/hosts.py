"""The host's names: addresses, and the way back from each that mail leaves from (PTR)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.networks import address_of, reverse_name
from twistedmail_mta.publishing.finding import Finding, listed, missing, right, unknown, wrong
from twistedmail_mta.publishing.lookup import Lookup
from twistedmail_mta.publishing.presence import Host, Presence
from twistedmail_mta.publishing.record import Record

_FAMILIES: Final[tuple[Literal["A", "AAAA"], ...]] = ("A", "AAAA")


def host_records(presence: Presence) -> Iterator[Record]:
    """Yield the addresses of every name, and the names of every address that mail leaves from."""
    for host in presence.hosts:
        for family in _FAMILIES:
            yield from _addresses(presence, host, family)
    for host in presence.hosts:
        for address in host.outgoing:
            yield _pointer(host, address)


async def check_hosts(presence: Presence, lookup: Lookup) -> list[Finding]:
    """Compare; each name must lead to the addresses that it stands for, and those back to it."""
    findings: list[Finding] = []
    for host in presence.hosts:
        findings += await _check_name(presence, host, lookup)
        findings += [await _check_pointer(host, address, lookup) for address in host.outgoing]
    return findings


def _addresses(presence: Presence, host: Host, family: Literal["A", "AAAA"]) -> list[Record]:
    uses = (["where mail for its domains goes"] if host.name == presence.hostname else []) + (
        ["what it says in EHLO must lead to where it sends from"] if host.outgoing else []
    )
    why = f"{host.name} is this host: {'; '.join(uses)}"
    return [Record(host.name, family, address, why) for address in host.addresses_of(family)]


def _pointer(host: Host, address: str) -> Record:
    why = (
        f"{address} must be called what it says in EHLO, or large providers take no mail from it;"
        " only who gave you the address can set that"
    )
    return Record(reverse_name(address), "PTR", f"{host.name}.", why, is_comment=True)


async def _check_name(presence: Presence, host: Host, lookup: Lookup) -> list[Finding]:
    asked = Record(host.name, "A", "", "")
    records = {family: _addresses(presence, host, family) for family in _FAMILIES}
    try:
        aliases = (await lookup.cname(host.name)).records
        found = {family: (await lookup.addresses(host.name, family)).records for family in _FAMILIES}
    except TemporaryError:
        return [unknown(asked)]
    if aliases:
        text = (
            f"it is an alias of {aliases[0]}, which a name in MX records mustn't be (RFC 5321 section 5.1);"
            " publish its addresses instead"
        )
        return [Finding("wrong", host.name, "CNAME", text, (*records["A"], *records["AAAA"]))]
    if not host.addresses:
        return [_unheld(asked, [*found["A"], *found["AAAA"]])]
    return [
        _compared(Record(host.name, family, "", ""), records[family], found[family])
        for family in _FAMILIES
        if records[family] or found[family]
    ]


def _unheld(asked: Record, found: list[str]) -> Finding:
    if not found:
        return wrong(asked, "it has no address, so it can't be reached; publish its addresses")
    return unknown(asked, f"it leads to {listed(found)}; whether that is this host isn't known")


def _compared(asked: Record, records: list[Record], found: tuple[str, ...]) -> Finding:
    wanted = {address_of(record.content) for record in records}
    strange = [each for each in found if address_of(each) not in wanted]
    if strange:
        text = f"it leads to {listed(strange)}, and that isn't this host as far as the site file says"
        return wrong(asked, f"{text}; publish" if records else f"{text}; remove it", records)
    lacking = [each for each in records if address_of(each.content) not in set(map(address_of, found))]
    if lacking:
        return missing(*lacking)
    return right(asked, f"it leads to {listed(found)}")


async def _check_pointer(host: Host, address: str, lookup: Lookup) -> Finding:
    record = _pointer(host, address)
    try:
        names = (await lookup.host_names(address)).records
    except TemporaryError:
        return unknown(record)
    if host.name in names:
        return right(record, f"{address} is called {host.name}")
    if not names:
        return missing(record, text=f"{address} has no name; let who gave you the address set")
    text = f"{address} is called {listed(names)}, and says {host.name} in EHLO; let who gave you the address set"
    return wrong(record, text, [record])
