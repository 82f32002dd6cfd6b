"""What outcomes look like in a report (RFC 3461 section 6.3, RFC 3464 section 2.3)."""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.mail.notification import Action, RecipientStatus
from twistedmail_mta.model import (
    Deferred,
    Delivered,
    Failed,
    FailedRecipient,
    Recipient,
    Reply,
    Settlement,
    Unconfirmed,
)
from twistedmail_mta.smtp.client_commands import NO_EIGHT_BIT, NO_SMTPUTF8, TOO_LARGE, UNSPEAKABLE

_OWN: Final = frozenset({NO_EIGHT_BIT, NO_SMTPUTF8, TOO_LARGE, UNSPEAKABLE})
"""What this host says of a next hop without asking it."""

_OWN_STATUSES: Final = ("4.4.1", "4.4.2", "4.7.5", "5.4.7")
"""Unreachable, broken off, without sound TLS, given up: nobody over there said that."""

_STATUS: Final = re.compile(r"[245](\.[0-9]{1,3}\.[0-9]{1,3})")
_SPACE: Final = re.compile(r"[\x00-\x20\x7f]+")
_CLASSES: Final[dict[Action, str]] = {"failed": "5", "delayed": "4"}


def failed_status(each: FailedRecipient) -> RecipientStatus:
    """Return what a report says of a failure."""
    return _status(each.recipient, each.outcome, "failed", each.failed_at)


def delayed_status(each: Settlement, retry_until: float) -> RecipientStatus:
    """Return what a report says of a delay.

    Raises:
        TypeError: the recipient isn't deferred.
    """
    if not isinstance(each.outcome, Deferred | Unconfirmed):
        raise TypeError(f"only what is deferred is delayed, not {each.outcome!r}")
    return _status(each.claim.recipient, each.outcome, "delayed", each.attempted_at, retry_until)


def success_status(each: Settlement) -> RecipientStatus:
    """Return what a report says of a success.

    Raises:
        TypeError: none is owed.
    """
    if not isinstance(each.outcome, Delivered) or each.outcome.owed is None:
        raise TypeError(f"no report of success is owed for {each.outcome!r}")
    return _status(each.claim.recipient, each.outcome, each.outcome.owed, each.attempted_at)


def is_answer(each: RecipientStatus) -> bool:
    """Return whether the diagnostic is what another host said."""
    return each.diagnostic.startswith("smtp;")


def _status(
    recipient: Recipient,
    outcome: Delivered | Failed | Deferred | Unconfirmed,
    action: Action,
    attempted_at: float,
    retry_until: float | None = None,
) -> RecipientStatus:
    kind = "smtp" if _was_said(outcome.remote, outcome.reply) else "X-Local"
    return RecipientStatus(
        recipient=recipient.address,
        action=action,
        status=_fitting(outcome.reply.status, _CLASSES.get(action, "2")),
        attempted_at=attempted_at,
        orcpt=recipient.orcpt,
        remote=outcome.remote.partition(" ")[0],
        diagnostic=f"{kind}; {_SPACE.sub(' ', str(outcome.reply))}",
        retry_until=retry_until,
    )


def _was_said(remote: str, reply: Reply) -> bool:
    return bool(remote) and reply.status not in _OWN_STATUSES and reply not in _OWN


def _fitting(status: str, status_class: str) -> str:
    """Return the status with the class that the action has, whatever the host made of it (RFC 3464 section 2.3.4)."""
    found = _STATUS.fullmatch(status)
    return status_class + (found[1] if found else ".0.0")
