"""What the log says of a message that was accepted: one line, with all that it is looked for by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.logger import Logger

from twistedmail_mta.model import Delivery, Detention, LocalMail, Message, id_text
from twistedmail_mta.tags import tags_text

_DETAINED: Final = {"hold": ", on hold", "quarantine": ", quarantined"}
_MOST_NAMED: Final = 5
"""Mailboxes that are named in the text; the fields name all."""


def log_accepted(  # noqa: PLR0913, PLR0917 - the facts of one line
    log: Logger,
    session: str,
    message: Message,
    local: LocalMail | None,
    recipients: int,
    detention: Detention | None,
    before: str,
    tls: str,
    seconds: float,
) -> None:
    """Log it.

    Args:
        log: that of who accepted it.
        session: the client's.
        message: as it is kept.
        local: the mailboxes that have it.
        recipients: how many it is for.
        detention: why it waits for an operator.
        before: the id that it had before a content filter gave it back; empty for others.
        tls: version and cipher; empty in clear.
        seconds: from its last octet until it was kept.
    """
    mailboxes = local.deliveries if local is not None else ()
    log.info(
        "{queue_id} accepted from <{sender}> for {recipients}{delivered}{detained}{tagged}: {size} octets by "
        "{protocol} from {peer}{login}, session {session}{filtered}",
        event="smtp.accepted",
        session=session,
        queue_id=id_text(message.id),
        peer=message.origin.peer,
        account=message.origin.account,
        login=f", login {message.origin.account}" if message.origin.account else "",
        sender=str(message.envelope.sender),
        recipients=recipients,
        mailboxes=[str(delivery.address) for delivery in mailboxes],
        delivered=_delivered_to(mailboxes),
        detained=_DETAINED[detention.kind] if detention is not None else "",
        tagged=f", tagged {tags_text(message.tags)}" if message.tags else "",
        tags=dict(message.tags),
        size=message.size,
        protocol=message.origin.protocol,
        filtered=f", before the filter {before}" if before else "",
        before=before,
        detention=detention.kind if detention is not None else "",
        listener=message.origin.listener,
        tls=tls,
        seconds=seconds,
    )


def _delivered_to(mailboxes: Sequence[Delivery]) -> str:
    """Return whose mailboxes got it."""
    named = ", ".join(f"<{delivery.address}>" for delivery in mailboxes[:_MOST_NAMED])
    more = f" and {len(mailboxes) - _MOST_NAMED} more" if len(mailboxes) > _MOST_NAMED else ""
    return f", delivered to {named}{more}" if named else ""
