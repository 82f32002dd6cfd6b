"""Another text in the place of a message's body: written by plugins, its parts found anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta import stages
from twistedmail_mta.errors import MailError, PermanentError, TemporaryError
from twistedmail_mta.interfaces import IBodyStore
from twistedmail_mta.mail.content import content_of
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.structure import BodyScanner, ScannedBody
from twistedmail_mta.mailbox.scanning import scan
from twistedmail_mta.model import CRLF, Body, FileBody, Reply
from twistedmail_mta.receive.body_text import BodyText
from twistedmail_mta.smtp.data import LineEnds
from twistedmail_mta.tasks import Cancelled

PIECE: Final = 64 * 1024
"""Octets of a text that are read at once."""

TOO_LARGE: Final = Reply(552, "5.3.4", "Message too large")

_NO_LIMIT: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Text:
    """A message without its envelope.

    Attributes:
        header: without our own trace field.
        body: what follows it.
        eight_bit: octets above 127 are in one of them.
        scanned: returns the parts of the body; to be called once.
    """

    header: Header
    body: Body
    eight_bit: bool
    scanned: Callable[[], ScannedBody]


class BrokenTextError(Exception):
    """A text of a plugin's own can't be read as one."""


class Drafts:
    """The texts that plugins write for the body of one message.

    Attributes:
        bodies: keeps them.
    """

    def __init__(self, bodies: IBodyStore, most: int) -> None:
        """Begin with none.

        Args:
            bodies: keeps them.
            most: octets that one may have.
        """
        self.bodies = bodies
        self._most = most
        self._begun: list[_Draft] = []

    def begin(self) -> stages.Draft:
        """Begin a text."""
        draft = _Draft(self.bodies, self._most)
        self._begun.append(draft)
        return draft

    async def taken(self, text: stages.Body, original: Body) -> Body:
        """Return the body that is made of a text; one that isn't this message's is copied.

        Args:
            text: what a plugin wants, perhaps what it wrote for an earlier message: that one's file is its own.
            original: the body as it came.

        Raises:
            MailError: it can't be kept, or is too large.
            BrokenTextError: it can't be read.
        """
        if isinstance(text, BodyText) and text.body in [original, *(draft.body for draft in self._begun)]:
            return text.body
        draft = self.begin()
        offset = 0
        while piece := await _piece(text, offset):
            offset += len(piece)
            await draft.write(piece)
        return await self.taken(await draft.finish(), original)

    def leftovers(self, original: Body, kept: Body) -> list[str]:
        """Give up what isn't finished; return the files that aren't needed any more.

        Args:
            original: as it came.
            kept: what becomes of it.
        """
        bodies = [original]
        for draft in self._begun:
            draft.abandon()
            bodies += [draft.body] if draft.body is not None else []
        return [body.name for body in bodies if isinstance(body, FileBody) and body != kept]

    async def remove(self, files: Sequence[str]) -> None:
        """Remove files; those that can't be removed now are found by the sweep of orphans."""
        with suppress(TemporaryError):
            await self.bodies.remove(files)


async def _piece(text: stages.Body, offset: int) -> bytes:
    try:
        piece = await text.read(offset, PIECE)
    except (Cancelled, MailError):
        raise
    except Exception as error:
        raise BrokenTextError("the text for the body's place can't be read") from error
    if not isinstance(piece, bytes):
        raise BrokenTextError(f"the text for the body's place has {type(piece).__name__} in it")
    return piece


class _Draft:
    """See `stages.Draft`."""

    def __init__(self, bodies: IBodyStore, most: int) -> None:
        self.body: Body | None = None
        self._bodies = bodies
        self._writer = bodies.writer()
        self._most = most
        self._line_ends = LineEnds(strict=False, max_line=_NO_LIMIT)
        self._is_whole_line = True

    async def write(self, block: bytes) -> None:
        """Add octets."""
        if self._writer.size + len(block) > self._most:
            raise PermanentError(TOO_LARGE)
        await self._add(self._line_ends.receive(block))

    async def _add(self, block: bytes) -> None:
        if not block:
            return
        self._is_whole_line = block.endswith(b"\n")
        if self._writer.add(block):
            await self._writer.flush()

    async def finish(self) -> stages.Body:
        """Return the text; its last line has an end, as every line in SMTP (RFC 5321 section 2.3.8)."""
        await self._add(self._line_ends.finish())
        if not self._is_whole_line:
            await self._add(CRLF)
        self.body = await self._writer.finish()
        return BodyText(self._bodies, self.body)

    def abandon(self) -> None:
        self._writer.abandon()


async def rewritten(text: Text, header: Header, new: stages.Body | None, drafts: Drafts, clock: IReactorTime) -> Text:
    """Return a message as plugins want it, its parts found anew where they may be others.

    Args:
        text: as it came.
        header: as they want it.
        new: what stands in the body's place; None if it stays.
        drafts: knows the texts that were written for it.
        clock: others go on while the parts are found.

    Raises:
        MailError: the new body can't be kept, or not read.
        BrokenTextError: it is a plugin's own, and none.
    """
    if new is None and content_of(header.block) == content_of(text.header.block):
        return replace(text, header=header, eight_bit=text.eight_bit or not header.is_ascii)
    body = text.body if new is None else await drafts.taken(new, text.body)
    header = _closed(header)
    scanner, eight_bit, offset = BodyScanner(header.block), not header.is_ascii, 0
    while piece := await drafts.bodies.read(body, offset, PIECE):
        offset += len(piece)
        eight_bit = eight_bit or not piece.isascii()
        await scan(scanner, piece, clock)
    return Text(header, body, eight_bit, scanner.finish)


def _closed(header: Header) -> Header:
    """Return the header with the empty line behind it: a message that had no body may get one."""
    block = header.block
    if not block or block == CRLF or block.endswith(CRLF + CRLF):
        return header
    return Header(block + (CRLF if block.endswith(CRLF) else CRLF + CRLF))
