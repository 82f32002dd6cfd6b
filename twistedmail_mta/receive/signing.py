"""What is signed as it is accepted: the mail of logins, in the name of its author's domain.

From here on no octet of a message changes, so what is signed is what leaves,
however often it is tried, and what own mailboxes get.
"""

from __future__ import annotations

from collections.abc import Sequence

from twistedmail_mta.interfaces import ISigning
from twistedmail_mta.mail.addresses import addresses
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Body, Recipient
from twistedmail_mta.routes import FILTER


async def signed(
    signing: ISigning, header: Header, body: Body, sender: Address, recipients: Sequence[Recipient]
) -> Header:
    """Return the header of a submission with its signatures.

    What goes to a content filter isn't signed yet: the filter may change it,
    and it is signed when it comes back.

    Args:
        signing: signs.
        header: without our own trace field.
        body: what follows it.
        sender: the reverse-path.
        recipients: who gets it.

    Raises:
        TemporaryError: it can't be signed now.
    """
    if recipients and all(each.via is not None and each.via.via.startswith(FILTER) for each in recipients):
        return header
    if not await signing.has_keys():
        return header
    fields = await signing.signature(header, body, domains_of(header, sender))
    return header.prepend(fields) if fields else header


def domains_of(header: Header, sender: Address) -> tuple[str, ...]:
    """Return in whose name a submission may be signed: its author's domain, else its sender's.

    Both are the login's: it may use no other addresses.
    """
    authors = [author.domain for author in addresses(header.get(b"From") or b"") or ()]
    return tuple(dict.fromkeys(domain for domain in (*authors[:1], sender.domain) if domain))
