"""What a client that doesn't get in is told (RFC 4954 section 6); nothing of it says why."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import Reply

BAD_CREDENTIALS: Final = Reply(535, "5.7.8", "Authentication credentials invalid")
CANNOT_JUDGE: Final = Reply(454, "4.7.0", "Temporary authentication failure")
TOO_MANY_FAILURES: Final = Reply(454, "4.7.0", "Too many failed logins, please try again later")
