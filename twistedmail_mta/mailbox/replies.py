"""Replies of this part."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import Reply

MAILBOX_GONE: Final = Reply(450, "4.2.0", "Mailbox is being removed, please try again later")
MESSAGE_GONE: Final = Reply(450, "4.3.0", "The message was removed meanwhile")
HEADER_TOO_LARGE: Final = Reply(552, "5.3.4", "Message header is too large")
