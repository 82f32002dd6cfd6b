"""What mailboxes can be called, and how that is spelled."""

from __future__ import annotations

import unicodedata
from typing import Final

INBOX: Final = "INBOX"
SEPARATOR: Final = "/"

LONGEST_NAME: Final = 1000
"""Octets of a mailbox's name in UTF-8."""


def mailbox_name(text: str) -> str:
    """Return the spelling under which a mailbox is kept.

    Raises:
        ValueError: no mailbox can be named so; the text says why.
    """
    name = unicodedata.normalize("NFC", text)
    levels = name.split(SEPARATOR)
    if not all(levels):
        raise ValueError("a level of the name is empty")
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in name):
        raise ValueError("the name has a control character")
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError("the name is too long")
    if levels[0].isascii() and levels[0].upper() == INBOX:  # not the dotless i
        levels[0] = INBOX
    return SEPARATOR.join(levels)
