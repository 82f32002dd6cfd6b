"""What is signed as it is accepted: the mail of logins, in the name of its author's domain.

From here on no octet of a message changes, so what is signed is what leaves,
however often it is tried, and what own mailboxes get.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedmail_mta.dkim.fields import Field
from twistedmail_mta.dkim.results import Unverified
from twistedmail_mta.dkim.signature import claims_of, tags_of
from twistedmail_mta.interfaces import ISigning
from twistedmail_mta.mail.addresses import addresses
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Body, Recipient
from twistedmail_mta.routes import FILTER

_SIGNATURE: Final = b"DKIM-Signature"
_MOST_EARLIER: Final = 20
"""Signatures that are looked at, from above, where ours stand."""


async def signed(  # noqa: PLR0913 - what a message consists of
    signing: ISigning,
    header: Header,
    body: Body,
    sender: Address,
    recipients: Sequence[Recipient],
    *,
    came_back: bool = False,
) -> Header:
    """Return the header of a submission with its signatures.

    What goes to a content filter isn't signed yet: the filter may change it,
    and it is signed when it comes back.  If that way was chosen only when it
    was signed already, the new signatures take the place of the earlier ones,
    which the filter may have broken.

    Args:
        signing: signs.
        header: without our own trace field.
        body: what follows it.
        sender: the reverse-path.
        recipients: who gets it.
        came_back: a content filter had it.

    Raises:
        TemporaryError: it can't be signed now.
    """
    if recipients and all(each.via is not None and each.via.via.startswith(FILTER) for each in recipients):
        return header
    if not await signing.has_keys():
        return header
    domains = domains_of(header, sender)
    fields = await signing.signature(header, body, domains)
    if not fields:
        return header
    return (_without_earlier(header, domains) if came_back else header).prepend(fields)


def _without_earlier(header: Header, domains: Sequence[str]) -> Header:
    """Return a header without the signatures of some domains; no signature is signed by another."""
    for value in header.get_all(_SIGNATURE)[:_MOST_EARLIER]:
        if _domain_of(value) in domains:
            header = header.without_value(_SIGNATURE, value)
    return header


def _domain_of(value: bytes) -> str:
    try:
        return claims_of(tags_of(Field(_SIGNATURE.lower(), _SIGNATURE + b":" + value))).domain
    except Unverified:
        return ""


def domains_of(header: Header, sender: Address) -> tuple[str, ...]:
    """Return in whose name a submission may be signed: its author's domain, else its sender's.

    Both are the login's: it may use no other addresses.
    """
    authors = [author.domain for author in addresses(header.get(b"From") or b"") or ()]
    return tuple(dict.fromkeys(domain for domain in (*authors[:1], sender.domain) if domain))
