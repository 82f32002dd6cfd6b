"""What became of each setting of another server (PURE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["mapped", "default", "unmapped"]
"""It is in the new site; nothing is to be done, since it is so anyway; or it isn't there, and somebody has to look."""

_SHOWN = 200
"""Letters of a value that a finding shows."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a setting stands.

    Attributes:
        file: its name.
        line: counted from 1; 0 where the file as a whole is meant.
    """

    file: str
    line: int = 0

    def __str__(self) -> str:
        """Return it as compilers do."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one setting.

    Attributes:
        place: where it stands; None: it doesn't, its default counts.
        setting: its name there.
        value: as it was written; never a secret.
        outcome: see there.
        key: where it went, or what does the same here; may be empty.
        advice: why, and what to do; never empty where the outcome is "unmapped".
    """

    place: Place | None
    setting: str
    value: str
    outcome: Outcome
    key: str
    advice: str

    @property
    def source(self) -> str:
        """The setting as one line."""
        value = " ".join(self.value.split())
        shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
        return f"{self.setting} = {shown}" if shown else self.setting
