"""Flags as the bits of one number (RFC 9051 section 2.3.2)."""

from __future__ import annotations

from typing import Final

SEEN: Final = 1
ANSWERED: Final = 2
FLAGGED: Final = 4
DELETED: Final = 8
DRAFT: Final = 16

FIRST_KEYWORD: Final = 5
LAST_KEYWORD: Final = 62
"""The bits of keywords; what each means is said by its mailbox.  There are 58: a client that wants more is refused."""
