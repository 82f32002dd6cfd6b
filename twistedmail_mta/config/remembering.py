"""[history]: what is noted about mail, for `mta trace`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from twistedmail_mta.config.quarantining import or_none
from twistedmail_mta.config.units import parse_duration
from twistedmail_mta.config.values import Size, Table

LEAST: int = 16 << 20
"""Octets that a history needs to be of any use."""


class HistoryTable(Table):
    """[history]: what became of each message, and for how long that is known.

    Attributes:
        enabled: anything is noted at all.
        keep: seconds after which what is known of a message goes; None: it stays as long as there is room.
        max_size: octets of the file; the oldest goes when it grows larger.
    """

    enabled: bool = True
    keep: Annotated[Annotated[float, Field(gt=0)] | None, or_none(parse_duration)] = 30 * 86400.0
    max_size: Annotated[Size, Field(ge=LEAST)] = 2 << 30
