"""What a write changed in a mailbox: returned by the transaction, then told to the views.

Every change raises the mailbox's MODSEQ by exactly one, so that a view which
missed one notices at the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twistedmail_mta.model import Delivery, Message


@dataclass(frozen=True, slots=True)
class Added:
    """Messages came: each has the UID, the flags and the size at its place.

    Attributes:
        mailbox: the mailbox's id.
        modseq: that of the change, and of every message.
        uids: ascending, and above all that were there before.
        flags: bits (`mailbox.flags`).
        sizes: octets as they are sent.
    """

    mailbox: int
    modseq: int
    uids: Sequence[int]
    flags: Sequence[int]
    sizes: Sequence[int]


@dataclass(frozen=True, slots=True)
class Flagged:
    """Flags of messages changed; `uids` ascend, each with its flags at its place."""

    mailbox: int
    modseq: int
    uids: Sequence[int]
    flags: Sequence[int]


@dataclass(frozen=True, slots=True)
class Removed:
    """Messages went; `uids` ascend."""

    mailbox: int
    modseq: int
    uids: Sequence[int]


Change = Added | Flagged | Removed


Filed = Callable[[Message, Sequence[Delivery], Sequence[int]], None]
"""Told which mailboxes have got a message, and its UID in each."""


def filed_for_nobody(_: Message, __: Sequence[Delivery], ___: Sequence[int]) -> None:
    """Nobody wants to know."""
