"""The domain in From (RFC 9989 section 5.3.1): whose mail a message says it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.mail.addresses import MAX_VALUE, placed_addresses
from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError

MOST_AUTHORS: Final = 100
_MOST_DOMAIN: Final = 253

Fault = Literal["", "absent", "unclear"]


@dataclass(frozen=True, slots=True)
class Author:
    """What From says.

    Attributes:
        domain: of the author, in A-labels; empty unless there is exactly one.
        fault: "absent": there is none; "unclear": there are several, or what is there can't be understood, so that
            what people see may be anything.
        reason: the fault in plain words and ASCII.
    """

    domain: str
    fault: Fault = ""
    reason: str = ""


def author_of(values: Sequence[bytes]) -> Author:
    """Return the author of a message.

    Several addresses of one domain are fine.  A display name that looks like
    an address isn't the author.

    Args:
        values: of all From fields.
    """
    if not values:
        return Author("", "absent", "there is no From")
    if len(values) > 1:
        return Author("", "unclear", f"there are {len(values)} From fields")
    return _author_in(values[0])


def _author_in(value: bytes) -> Author:
    found = None if len(value) > MAX_VALUE else placed_addresses(value.decode("utf-8", "surrogateescape"), MOST_AUTHORS)
    if found is None:
        return Author("", "unclear", "From can't be understood")
    domains = {each.address.domain.removesuffix(".") for each in found if not each.is_name}
    if not domains:
        return Author("", "absent", "From names nobody")
    if len(domains) > 1:
        return Author("", "unclear", f"From names {len(domains)} domains")
    return _with_domain(domains.pop())


def _with_domain(text: str) -> Author:
    try:
        domain = parse_domain(text)
    except AddressError:
        domain = ""
    if not domain or len(domain) > _MOST_DOMAIN:
        return Author("", "unclear", "the author's domain is none")
    return Author(domain)
