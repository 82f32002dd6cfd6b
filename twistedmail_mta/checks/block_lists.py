"""Whether lists that many receivers ask name an address of this host (RFC 5782)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.networks import reverse_name
from twistedmail_mta.policy.list_code import is_listing

LISTS: Final[Mapping[str, str]] = {
    "zen.spamhaus.org": "https://check.spamhaus.org/",
    "bl.spamcop.net": "https://www.spamcop.net/bl.shtml",
    "b.barracudacentral.org": "https://www.barracudacentral.org/rbl/removal-request",
    "psbl.surriel.com": "https://psbl.org/remove",
}
"""By zone: where an address is taken out again."""
_NEVER_LISTED: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list says of an address.

    Attributes:
        address: of this host.
        zone: the list.
        codes: its return codes; none where it lists nothing.
        silent: it gives no answer that can be believed.
    """

    address: str
    zone: str
    codes: tuple[str, ...] = ()
    silent: bool = False


async def listed(resolver: IResolver, address: str, zone: str) -> Listed:
    """Ask one list about one address."""
    try:
        answered = (await resolver.addresses(reverse_name(address, zone), "A")).records
        codes = tuple(code for code in answered if is_listing(code))
        if codes and (await resolver.addresses(reverse_name(_NEVER_LISTED, zone), "A")).records:
            return Listed(address, zone, silent=True)  # it lists what no list may (RFC 5782 section 5)
    except TemporaryError:
        return Listed(address, zone, silent=True)
    return Listed(address, zone, codes, silent=bool(answered) and not codes)


def findings_of_lists(found: Sequence[Listed], pages: Mapping[str, str] = LISTS) -> Iterator[Finding]:
    """Judge what lists say; those that don't answer are told of once."""
    for each in found:
        if each.codes:
            text = f"{each.address} is in {each.zone} ({', '.join(each.codes)}), so many hosts refuse its mail"
            page = pages.get(each.zone, f"https://{each.zone}/")
            mend = f"find out why, mend that first, then have it taken out: {page}"
            yield Finding("warning", "", text, mend)
    silent = dict.fromkeys(each.zone for each in found if each.silent)
    if silent:
        text = f"{', '.join(silent)} gave no answer to be believed: lists refuse public resolvers such as 8.8.8.8"
        yield Finding("note", "", text)
