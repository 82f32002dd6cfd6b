"""ARC seals on forwarded mail: they tell the next hop what was found when the mail came here (RFC 8617)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final, Protocol

from twisted.logger import Logger

from twistedmail_mta.arc.chain import Verdict
from twistedmail_mta.arc.sets import Broken, sets_of
from twistedmail_mta.dkim.fields import Field, fields_of
from twistedmail_mta.mail.authentication_results import NAME, read
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Body, Message, id_text
from twistedmail_mta.policy.authenticity_tags import chain_found, was_examined

MOST_FIELDS: Final = 20
"""Authentication-Results that are looked through, from above: ours stands there first."""


class Seals(Protocol):
    """Has the keys: `DomainSigning`."""

    async def seal(
        self, fields: Sequence[Field], body: Body, verdict: Verdict, assessment: bytes, domain: str
    ) -> bytes:
        """Return an ARC set by a domain, nothing if that has no key; raises TemporaryError if it can't be made now."""


class Sealing:
    """Seals what was examined when it came, by the domain of the alias that it came to."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, seals: Seals) -> None:
        """Make it.

        Args:
            seals: has the keys.
        """
        self._seals = seals

    async def sealed(self, message: Message, domain: str) -> Message:
        """Return a forwarded message with one more ARC set.

        It is as it was where nobody has examined it, where the domain has no
        key, where no set can follow, or where there is no From to be signed
        (RFC 6376 section 5.4).

        Args:
            message: to be sent on.
            domain: of the alias.

        Raises:
            TemporaryError: it can't be sealed now.
        """
        tags = dict(message.tags)
        if not was_examined(tags):
            return message
        header = Header(message.header)
        assessment = _assessment(header)
        if assessment is None or not header.has(b"From"):
            return message
        fields = fields_of(header)
        try:
            found = chain_found(tags)
            verdict = Verdict(found, sets=sets_of(fields) if found == "pass" else ())
        except Broken as error:
            self.log.warn(
                "{queue_id} isn't sealed: {reason}, though it was whole when it came",
                event="arc.broken",
                queue_id=id_text(message.id),
                reason=str(error),
            )
            return message
        octets = await self._seals.seal(fields, message.body, verdict, assessment, domain)
        return replace(message, header=octets + message.header) if octets else message


def _assessment(header: Header) -> bytes | None:
    """Return what was found here: of all fields the first that tells of DMARC, since those above it would be ours."""
    for value in header.get_all(NAME.encode())[:MOST_FIELDS]:
        found = read(value)
        if found is not None and any(each.method == "dmarc" for each in found.statements):
            return value
    return None
