"""Why something can't be done with a mailbox: what is answered instead of an exception."""

from __future__ import annotations

from enum import Enum


class Problem(Enum):
    """Why a mailbox can't be made, renamed, deleted, subscribed to or written to."""

    BAD_NAME = "no mailbox can be named so"
    EXISTS = "there is a mailbox of that name"
    MISSING = "there is no mailbox of that name"
    IS_INBOX = "INBOX can't be deleted"
    INTO_ITSELF = "a mailbox can't be moved below itself"
    TOO_MANY = "the account can't have more"
    BAD_USE = "no mailbox can be for that"
    USE_TAKEN = "another mailbox is for that"
