"""Makes what plugins are told, from as little as a test has to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.model import Envelope, Recipient, Reply
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.stages import Arriving, Attempted, Client, Leaving, MailFrom, Stored
from twistedmail_mta.tags import NO_TAGS

ID: Final = "0000000000001"
"""A message's id, as the log shows it."""

DELIVERED: Final = Reply(250, "2.0.0", "Ok")


def client(host: str = "192.0.2.1", account: str | None = None, **known: Any) -> Client:  # noqa: ANN401 - Client's own
    """Return a client: a stranger at an MX, or one who has logged in.

    Args:
        host: its address.
        account: its login.
        known: other attributes of `Client`.
    """
    role = "mx" if account is None else "submission"
    says = {"session": ID, "listener": role, "role": role, "helo": "client.test", "extended": True, **known}
    return Client(host=host, account=account, **says)


def mail_from(sender: str = "ann@sender.test", size: int | None = None, id: str = ID) -> MailFrom:  # noqa: A002 - MailFrom's own
    """Return what MAIL said; an empty sender is the null reverse-path."""
    return MailFrom(id, parse_address(sender), size)


def recipient(address: str = "bob@home.test") -> Recipient:
    """Return what RCPT said."""
    return Recipient(parse_address(address))


def envelope(sender: str = "ann@sender.test", *recipients: str) -> Envelope:
    """Return an envelope; to bob@home.test if nobody is named."""
    return Envelope(parse_address(sender), tuple(map(recipient, recipients or ("bob@home.test",))))


def header(text: str | bytes) -> Header:
    """Return the header of a message, or of the part of it that is given."""
    return Header(split(wire(text))[0])


def arriving(
    text: str | bytes = "Subject: hi\r\n\r\ntext\r\n",
    sender: str = "ann@sender.test",
    recipients: Sequence[str] = (),
    id: str = ID,  # noqa: A002 - Arriving's own
) -> Arriving:
    r"""Return a message that has come, before it is taken.

    Args:
        text: header, empty line and body; line ends of a str may be "\n" alone.
        sender: the reverse-path.
        recipients: bob@home.test, if there are none.
        id: as the log shows it.
    """
    octets = wire(text)
    block, body = split(octets)
    return Arriving(id, envelope(sender, *recipients), Header(block), MemoryBody(body), len(octets), MemoryDraft)


def leaving(
    recipient: str = "bob@elsewhere.test",
    sender: str = "ann@home.test",
    account: str | None = None,
    route: str = "elsewhere.test",
    **known: Any,  # noqa: ANN401 - Leaving's own
) -> Leaving:
    """Return a recipient's copy in the queue, before it is sent on.

    Args:
        recipient: who.
        sender: the reverse-path.
        account: the login that submitted the message.
        route: where it would go.
        known: other attributes of `Leaving`.
    """
    says = {"id": ID, "attempts": 0, **known}
    return Leaving(
        sender=parse_address(sender), recipient=parse_address(recipient), account=account, route=route, **says
    )


def attempted(
    recipient: str = "bob@elsewhere.test",
    reply: Reply = DELIVERED,
    sender: str = "ann@home.test",
    account: str | None = None,
    **known: Any,  # noqa: ANN401 - Attempted's own
) -> Attempted:
    """Return what became of a recipient.

    Args:
        recipient: who.
        reply: what the next hop said.
        sender: the reverse-path.
        account: the login that submitted the message.
        known: other attributes of `Attempted`.
    """
    says = {"id": ID, "remote": "mx.elsewhere.test [192.0.2.2]", "attempts": 1, **known}
    return Attempted(
        sender=parse_address(sender), recipient=parse_address(recipient), account=account, reply=reply, **says
    )


def stored(
    *mailboxes: tuple[str, str],
    sender: str = "ann@sender.test",
    size: int = 100,
    tags: Mapping[str, str] = NO_TAGS,
) -> Stored:
    """Return what went into mailboxes: for whom, and the mailbox's name."""
    return Stored(ID, parse_address(sender), tuple((parse_address(to), name) for to, name in mailboxes), size, tags)


@dataclass(frozen=True, slots=True)
class MemoryBody:
    """A body in memory; see `stages.Body`."""

    octets: bytes

    @property
    def size(self) -> int:
        """Return the number of octets."""
        return len(self.octets)

    async def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` octets from `offset` on."""
        return self.octets[offset : offset + size]


class MemoryDraft:
    """A text that a plugin writes for the place of a body; see `stages.Draft`."""

    def __init__(self) -> None:
        self._written = bytearray()

    async def write(self, block: bytes) -> None:
        """Add octets."""
        self._written += block

    async def finish(self) -> MemoryBody:
        """Return the text."""
        return MemoryBody(bytes(self._written))


def wire(text: str | bytes) -> bytes:
    """Return a text as it is on the wire."""
    return text if isinstance(text, bytes) else text.replace("\r\n", "\n").replace("\n", "\r\n").encode()
