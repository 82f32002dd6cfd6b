"""What a check has found, and how it can be mended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

Level = Literal["error", "warning", "note"]
"""An "error" keeps the server from starting, a "warning" doesn't; with a "note" nothing is wrong."""

Subject = Literal[
    "site file",
    "permissions",
    "certificates",
    "domains",
    "logins",
    "plugins",
    "exposure",
    "ports",
    "machine",
    "disk",
    "clock",
    "resolver",
    "dns",
    "outbound",
    "blocklists",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something an operator should know.

    Attributes:
        level: how bad it is.
        path: the key of the site file; empty where it is about none.
        text: what is wrong.
        mend: what to do about it; empty where nothing is wrong.
        subject: what was looked at.
    """

    level: Level
    path: str
    text: str
    mend: str = ""
    subject: Subject = "site file"

    def __str__(self) -> str:
        """Return the finding, with how to mend it on a line of its own."""
        first = f"{self.level}: {self.path}: {self.text}" if self.path else f"{self.level}: {self.text}"
        return "\n    ".join(filter(None, (first, self.mend)))

    @property
    def words(self) -> str:
        """What is wrong and how it can be mended, on one line."""
        return f"{self.text}: {self.mend}" if self.mend else self.text


def about(subject: Subject, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings as those of a subject."""
    for finding in findings:
        yield replace(finding, subject=subject)


def errors_of(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that keep the server from starting."""
    return [finding for finding in findings if finding.level == "error"]


def as_object(finding: Finding) -> dict[str, str]:
    """Return a finding as JSON has it."""
    return {
        "level": finding.level,
        "subject": finding.subject,
        "path": finding.path,
        "text": finding.text,
        "mend": finding.mend,
    }
