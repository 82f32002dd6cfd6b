"""Notices go the way of this host's own reports."""

from __future__ import annotations

from twistedmail_mta.model import NULL_PATH, Address, Message
from twistedmail_mta.queue.notices import Notices
from twistedmail_mta.tasks import TaskGroup

ADMIN, OWNER = Address("postmaster", "example.org"), Address("ann", "example.net")


def test_told() -> None:
    """To the administrator and others, each once, from nobody: it is never answered, and never bounces."""
    taken: list[Message] = []

    async def accept(message: Message) -> None:
        taken.append(message)

    notices = Notices("mail.example.org", ADMIN, lambda: 7, lambda: 1_800_000_000.0, lambda _: 0, accept)
    TaskGroup().start("tell", notices.tell("Look", "here\n", [OWNER, ADMIN]))

    (message,) = taken
    assert message.envelope.sender == NULL_PATH
    assert [each.address for each in message.envelope.recipients] == [ADMIN, OWNER]
    assert (message.origin.protocol, message.origin.account) == ("local", None)
    assert b"Subject: Look\r\n" in message.header
