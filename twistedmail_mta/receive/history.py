"""What sessions tell the history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from twistedmail_mta.history.visit import Visit
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Reply
from twistedmail_mta.receive.client import Client
from twistedmail_mta.receive.listener import Listener

MOST_REFUSED: Final = 100
"""Recipients of one message whose refusals are noted one by one."""
_SIGNATURES: Final = re.compile(rb"(?:DKIM-Signature:(?:[^\r\n]|\r\n[ \t])*+\r\n)*+", re.IGNORECASE)


def visit_of(listener: Listener, client: Client, refused: Sequence[tuple[str, str]] = ()) -> Visit:
    """Return who a client is, as the history tells it."""
    return Visit(
        session=client.session,
        listener=listener.name,
        peer=client.host,
        helo=client.helo,
        tls=client.tls,
        account=client.account,
        mechanism=client.mechanism if client.submitter is not None else "",
        verdicts=client.verdicts,
        refused=refused,
        asked=listener.plugins.roll,
    )


def added_signatures(header: Header, before: Header) -> bytes:
    """Return the signatures that a header has got in front; what stood in it before may have gone."""
    if header is before:
        return b""
    block, rest = header.block, before.block
    if block.endswith(rest):
        return block[: len(block) - len(rest)]
    found = _SIGNATURES.match(block)
    return b"" if found is None else found[0]


def note_knock(listener: Listener, client: Client, command: str, reply: Reply | str, sender: str | None = None) -> None:
    """Note a refusal outside of a transaction.

    Args:
        listener: where the client is.
        client: who it is.
        command: what was refused.
        reply: the answer, or what went wrong where there was none.
        sender: of MAIL, if it was that.
    """
    history = listener.history
    if history is not None and history.wants:
        history.refused(listener.new_id(), visit_of(listener, client), sender, (), command, reply)
