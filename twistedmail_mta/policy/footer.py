"""Footers: words behind the text of messages, where nothing can break by it."""

from __future__ import annotations

from typing import Final

from zope.interface import implementer

from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.footer_options import FooterOptions, Footers
from twistedmail_mta.policy.footing import footed, may_have_words
from twistedmail_mta.policy.header_rules import fits
from twistedmail_mta.policy.part_footing import Words
from twistedmail_mta.policy.scanned import PIECE
from twistedmail_mta.stages import Answer, Arriving, Body, Client, IMessagePolicy, ReplaceBody

SMALL: Final = 8192
"""Octets of a body that is looked at at once; a larger one goes to a thread."""


@implementer(IMessagePolicy)
class Footer:
    """Puts words behind the texts of messages that nobody has signed; all others stay as they are.

    Signatures of a domain cover the body (RFC 6376 section 3.4), those of
    S/MIME and PGP the parts (RFC 1847).
    """

    Options = FooterOptions

    def __init__(self, options: FooterOptions, kit: Kit) -> None:
        self._options = options
        self._footers = Footers(options)
        self._kit = kit

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Add the footer, where there is one, and it can be."""
        words = self._wanted(client, message)
        if words is None:
            return None
        body = await self._footed(message, words)
        if body is None:
            self._kit.log.debug("{queue_id} can't have a footer", event="footer.left", queue_id=message.id)
            return None
        draft = message.draft()
        for start in range(0, len(body), PIECE):
            await draft.write(body[start : start + PIECE])
        return (ReplaceBody(await draft.finish()),)

    def _wanted(self, client: Client, message: Arriving) -> Words | None:
        """Return what is to be put behind a message, if anything is; reports have nothing."""
        options, envelope = self._options, message.envelope
        if envelope.sender.is_null or (client.account is None and not options.strangers):
            return None
        if not options.replies and (message.header.has(b"In-Reply-To") or message.header.has(b"References")):
            return None
        words = self._footers.of(message.header, envelope.sender)
        if words is None or not options.inside:
            return words
        recipients = [each.address for each in envelope.recipients]
        outside = [each for each in recipients if not any(fits(each, pattern) for pattern in options.inside)]
        return words if outside else None

    async def _footed(self, message: Arriving, words: Words) -> bytes | None:
        """Return the whole body with its footer; None if it can't have one."""
        if message.size > self._options.max_size or not may_have_words(message.header):
            return None
        body = await _read(message.body)
        if len(body) <= SMALL:
            return footed(message.header, body, words)
        return await self._kit.run_in_thread(footed, message.header, body, words)


async def _read(body: Body) -> bytes:
    """Return a body that is small enough to be in memory."""
    pieces = bytearray()
    while len(pieces) < body.size:
        piece = await body.read(len(pieces), PIECE)
        if not piece:
            raise EOFError(f"the body ends at {len(pieces)} of {body.size} octets")
        pieces += piece
    return bytes(pieces)
