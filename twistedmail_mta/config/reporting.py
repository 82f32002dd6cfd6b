"""The table about what senders are told: [reports]."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from twistedmail_mta.config.values import Mailbox, Size, Table

LARGEST_RETURNED: Final = 64 * 1024
"""Octets; a report with the whole message in it is made and kept in memory."""


class ReportsTable(Table):
    """[reports]: what senders are told of their mail.

    Attributes:
        language: for senders whose message doesn't say which language they read.
        return_size: up to this size a message that failed is returned whole,
            past it only its header.
        copy_to: who gets a copy of every bounce.
    """

    language: Literal["en", "pt", "es", "de", "fr"] = "en"
    return_size: Annotated[Size, Field(ge=0, le=LARGEST_RETURNED)] = 50 * 1024
    copy_to: Mailbox | None = None
