"""Footers: a text behind the text of plain messages, where nothing can break by it."""

from __future__ import annotations

import quopri
import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from zope.interface import implementer

from twistedmail_mta.config.values import Size, Table
from twistedmail_mta.mail.content_type import TEXT_PLAIN, ContentType, content_type
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import CRLF
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.header_rules import AddressPatterns, fits
from twistedmail_mta.policy.scanned import PIECE
from twistedmail_mta.stages import Answer, Arriving, Client, IMessagePolicy, ReplaceBody

CHARSETS: Final = frozenset(
    {"us-ascii", "utf-8", "windows-1250", "windows-1251", "windows-1252", "koi8-r"}
    | {f"iso-8859-{number}" for number in (1, 2, 5, 7, 9, 15)}
)
"""Those in which the octets of ASCII are ASCII, and any text can follow any other."""

_SIGNED: Final = (b"dkim-signature", b"arc-message-signature", b"domainkey-signature", b"content-md5")
_ONCE: Final = (b"content-type", b"content-transfer-encoding", b"mime-version")
_PGP: Final = re.compile(rb"\n-----BEGIN PGP ")
_PGP_SIZE: Final = 20
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
_MAX_LINE: Final = 900


def _footer(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines()]
    if not "".join(lines) or any(len(line.encode()) > _MAX_LINE or not line.isprintable() for line in lines):
        raise ValueError(f"must be a text of lines that have {_MAX_LINE} octets at most")
    return "\r\n".join(lines) + "\r\n"


class FooterOptions(Table):
    """Options of `footer`.

    Attributes:
        text: what stands behind messages, below an empty line.
        sender: patterns of the reverse-paths whose messages get it.
        strangers: mail of clients that haven't logged in gets it, too.
        max_size: octets; larger messages get none.
    """

    text: Annotated[str, AfterValidator(_footer)]
    sender: Annotated[AddressPatterns, Field(min_length=1)]
    strangers: bool = False
    max_size: Annotated[Size, Field(gt=0)] = 1 << 20


@implementer(IMessagePolicy)
class Footer:
    """Puts a text behind messages of one part in plain text that nobody has signed; all others stay as they are.

    What is multipart has no one place that every reader shows, and may be
    signed or encrypted as a whole (RFC 1847); signatures of a domain cover the
    body (RFC 6376 section 3.4).
    """

    Options = FooterOptions

    def __init__(self, options: FooterOptions, kit: Kit) -> None:
        self._options = options
        self._log = kit.log

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Add the footer, where it can be."""
        options, sender = self._options, message.envelope.sender
        if client.account is None and not options.strangers:
            return None
        if sender.is_null or not any(fits(sender, pattern) for pattern in options.sender):
            return None
        footer = encoded(options.text, message.header) if message.size <= options.max_size else None
        if footer is None:
            self._log.debug("{id} can't have a footer", event="footer.left", id=message.id)
            return None
        return await self._with_footer(message, footer)

    async def _with_footer(self, message: Arriving, footer: bytes) -> Answer:
        """Copy the body; none of it that PGP has signed or encrypted."""
        draft, body = message.draft(), message.body
        offset, tail = 0, CRLF
        while offset < body.size:
            piece = await body.read(offset, PIECE)
            if not piece:
                raise EOFError(f"the body ends at {offset} of {body.size} octets")
            if _PGP.search(tail + piece):
                return None
            await draft.write(piece)
            offset, tail = offset + len(piece), (tail + piece)[-_PGP_SIZE:]
        await draft.write((b"" if tail.endswith(b"\n") else CRLF) + CRLF + footer)
        return (ReplaceBody(await draft.finish()),)


def encoded(footer: str, header: Header) -> bytes | None:
    """Return a footer as it can follow the body of a message; None if it can't.

    Args:
        footer: the text, its lines ended by CRLF.
        header: of the message.
    """
    if any(map(header.has, _SIGNED)) or any(header.count(name, 2) > 1 for name in _ONCE):
        return None
    charset = _charset(_content_type(header))
    encoding = (header.get(b"content-transfer-encoding") or b"7bit").strip().lower()
    if charset not in CHARSETS:
        return None
    try:
        octets = footer.encode("ascii" if encoding == b"7bit" else charset)
    except UnicodeEncodeError:
        return None
    if encoding == b"quoted-printable":
        return quopri.encodestring(octets.replace(CRLF, b"\n")).replace(b"\n", CRLF)
    return octets if encoding in {b"7bit", b"8bit", b"binary"} else None


def _content_type(header: Header) -> ContentType:
    value = header.get(b"content-type")
    return TEXT_PLAIN if value is None else content_type(_FOLD.sub(b" ", value))


def _charset(kind: ContentType) -> str:
    """Return the charset of plain text; empty for anything else."""
    if (kind.type.lower(), kind.subtype.lower()) != (b"text", b"plain"):
        return ""
    return (kind.parameter(b"charset") or b"us-ascii").decode("ascii", "replace").lower()
