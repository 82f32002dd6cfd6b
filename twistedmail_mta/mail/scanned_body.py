"""What a scanner finds in the body of a message."""

from __future__ import annotations

from dataclasses import dataclass, field

from twistedmail_mta.mail.content import PLAIN, Content
from twistedmail_mta.mail.envelope import NO_ENVELOPE


@dataclass(slots=True)
class Node:
    """A part that has been met. All places count octets from the begin of the message's body.

    Attributes:
        content: what its header says.
        header: where its header begins.
        begin: where its body begins.
        end: where its body ends.
        lines: line ends in its body; until that ends, those before it.
        envelope: of a message inside another, ready to send.
    """

    content: Content = PLAIN
    header: int = 0
    begin: int = 0
    end: int = 0
    lines: int = 0
    envelope: bytes = NO_ENVELOPE
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ScannedBody:
    """What a scanner found.

    Attributes:
        message: the whole message, a multipart with at least one part in it:
            where none began, its whole body is one, plain text.
    """

    message: Node
