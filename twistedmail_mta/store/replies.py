"""The replies of a store that can't take anything now."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import Reply

DISK_FULL: Final = Reply(452, "4.3.1", "Insufficient system storage")
STORE_FAILED: Final = Reply(451, "4.3.0", "Local error, please try again later")
STORE_BUSY: Final = Reply(451, "4.3.2", "Too busy, please try again later")
STORE_CLOSED: Final = Reply(451, "4.3.2", "Shutting down, please try again later")
