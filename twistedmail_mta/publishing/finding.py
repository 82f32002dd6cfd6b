"""What comes of holding a record against the DNS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.publishing.record import Record, Type

State = Literal["right", "missing", "wrong", "unknown", "note"]
"""How it is; "unknown": the DNS doesn't answer, or what it should say isn't known; a "note" is no fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at a name.

    Attributes:
        state: how it is.
        name: that was asked about; empty where it is about the site as a whole.
        rdtype: of the records.
        text: what is there, and what is wrong with it.
        publish: what should be there instead.
    """

    state: State
    name: str
    rdtype: Type | Literal[""]
    text: str
    publish: tuple[Record, ...] = ()

    def __str__(self) -> str:
        """Return the finding, with what to publish on lines of their own."""
        where = " ".join(filter(None, (self.name, self.rdtype)))
        first = f"{self.state}: {where}: {self.text}" if where else f"{self.state}: {self.text}"
        records = (f"    {line}" for record in self.publish for line in record.text.split("\n"))
        return "\n".join((first, *records))


MOST_LISTED: Final = 8


def listed(values: Sequence[str]) -> str:
    """Return values that others publish, as far as they fit into a line."""
    more = len(values) - MOST_LISTED
    return ", ".join(values[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def right(record: Record, text: str) -> Finding:
    """Return that a record's purpose is met."""
    return Finding("right", record.name, record.rdtype, text)


def missing(*records: Record, text: str = "publish") -> Finding:
    """Return that something isn't there that should be; the records have one name and type."""
    return Finding("missing", records[0].name, records[0].rdtype, text, records)


def advised(*records: Record) -> Finding:
    """Return that something isn't there that makes life easier, though mail comes and goes without it: no fault."""
    return Finding("note", records[0].name, records[0].rdtype, "there is none; it is of use, so think of", records)


def wrong(record: Record, text: str, publish: Iterable[Record] = ()) -> Finding:
    """Return what is wrong with what is there."""
    return Finding("wrong", record.name, record.rdtype, text, tuple(publish))


def unknown(record: Record, text: str = "the DNS doesn't answer") -> Finding:
    """Return that it couldn't be found out."""
    return Finding("unknown", record.name, record.rdtype, text)


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 1 if something is missing or wrong, else 2 if something couldn't be found out, else 0."""
    states = {finding.state for finding in findings}
    if states & {"missing", "wrong"}:
        return 1
    return 2 if "unknown" in states else 0
