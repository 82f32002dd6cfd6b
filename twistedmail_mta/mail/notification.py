"""What a delivery status notification tells: of one recipient, and as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twistedmail_mta.model import Address

Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
Returned = Literal["full", "header", "nothing"]


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """What a report says of one recipient (RFC 3464 section 2.3).

    Attributes:
        recipient: the address as we had it.
        action: what became of it.
        status: the enhanced status code.
        attempted_at: the last attempt, in seconds since the epoch.
        orcpt: the ORCPT parameter as received, "addr-type;xtext".
        remote: the name of the host that answered; empty when none did.
        diagnostic: why, after its type: "smtp; 550 ..." is an answer,
            "X-Local; ..." what this host found.
        retry_until: when a delayed recipient is given up.
    """

    recipient: Address
    action: Action
    status: str
    attempted_at: float
    orcpt: str | None = None
    remote: str = ""
    diagnostic: str = ""
    retry_until: float | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """The message a report is about.

    Attributes:
        header: its header block.
        body: its body; looked at only when all of it is returned.
        returned: how much of it goes back; "full" becomes "header" where the
            body could not travel as it is.
        smtputf8: it needed SMTPUTF8 (RFC 6531).
    """

    header: bytes
    body: bytes = b""
    returned: Returned = "header"
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    r"""Everything a report is made of.

    Attributes:
        to: who is told.
        domain: the domain that speaks, as MAILER-DAEMON.
        host: this host's name, which reports.
        message_id: what stands before "@" in the report's Message-ID; unique.
        subject: the subject line.
        text: what a person reads; lines end in "\n".
        language: the language of both, as a tag of RFC 5646.
        at: now, in seconds since the epoch.
        offset: local time minus UTC, in seconds.
        queue_id: the id of the message reported on.
        original: that message.
        arrived_at: when it arrived.
        recipients: those reported on; one at least.
        helo: who brought it; empty when that isn't told.
        envid: the ENVID parameter as received, in xtext.
    """

    to: Address
    domain: str
    host: str
    message_id: str
    subject: str
    text: str
    language: str
    at: float
    offset: int
    queue_id: str
    original: Original
    arrived_at: float
    recipients: tuple[RecipientStatus, ...]
    helo: str = ""
    envid: str | None = None

    @property
    def is_international(self) -> bool:
        """Whether the report travels with SMTPUTF8, so that every part of it may be in UTF-8."""
        return not self.to.is_ascii
