"""Where aggregate reports about a domain go (RFC 9990 section 3.5 and section 4): by mail, to who wants it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.dmarc.record import is_record, parse_record
from twistedmail_mta.dmarc.tree import MOST_NAME, Found, Records, Texts, organizational_domain, walk
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address
from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError
from twistedmail_mta.smtp.mailto import mailto_address

MOST_DESTINATIONS: Final = 5
"""Of one domain; those that stand first."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where a report goes.

    Attributes:
        addresses: to these.
        unknown: whether there may be others, of which the DNS says nothing now.
    """

    addresses: tuple[Address, ...]
    unknown: bool = False


async def destinations(found: Found, records: Records, texts: Texts) -> Destinations:
    """Return where a domain wants its reports.

    An address outside of the domain's organization counts only if whoever
    keeps it says so in the DNS, else anybody could have reports sent to
    anybody.  Sizes that older records limit reports to are passed over.

    Args:
        found: the record, and the domain that it is of.
        records: asks for records of domains.
        texts: asks for other TXT records.
    """
    wanted: dict[Address, None] = {}
    unknown = False
    for address in _addresses(found.record.aggregate):
        try:
            wanted |= dict.fromkeys(await _confirmed(found.domain, address, records, texts))
        except TemporaryError:
            unknown = True
    return Destinations(tuple(wanted)[:MOST_DESTINATIONS], unknown)


def _addresses(uris: Iterable[str]) -> list[Address]:
    addresses = dict.fromkeys(address for uri in uris if (address := mailto_address(uri)) is not None)
    return list(addresses)[:MOST_DESTINATIONS]


async def _confirmed(domain: str, address: Address, records: Records, texts: Texts) -> Sequence[Address]:
    """Return an address if it may be told of a domain, or those that are to be told in its place."""
    host = _host(address)
    if not host:
        return ()
    if await _is_of_one_organization(domain, host, records):
        return (address,)
    name = f"{domain}._report._dmarc.{host}"
    if len(name) > MOST_NAME:
        return ()
    confirming = [text for text in (await texts(name)).records if is_record(text)]
    if not confirming:
        return ()
    instead = next((rua for rua in (parse_record(text).aggregate for text in confirming) if rua), ())
    if not instead:
        return (address,)
    others = _addresses(instead)
    # Whoever confirms can name another address of the same host, and no other host.
    return others if all(_host(each) == host for each in others) else ()


def _host(address: Address) -> str:
    """Return the host of an address in A-labels; empty if it is none."""
    try:
        return parse_domain(address.domain)
    except AddressError:
        return ""


async def _is_of_one_organization(domain: str, host: str, records: Records) -> bool:
    if domain == host:
        return True
    mine = organizational_domain(domain, await walk(domain, records))
    return mine == organizational_domain(host, await walk(host, records))
