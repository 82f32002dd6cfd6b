"""[log]: how the server writes what it does."""

from __future__ import annotations

from typing import Literal

from twistedmail_mta.config.values import Table


class LogTable(Table):
    """[log]: what the lines of the log look like.

    Attributes:
        format: "text", a line that people read; or "json", an object for programs.
        addresses: "plain", or "hash": the local part of every mail address is replaced by a word that stands for it.
    """

    format: Literal["text", "json"] = "text"
    addresses: Literal["plain", "hash"] = "plain"
