"""Rows of hMailServer's database, wherever they were read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from twistedmail_mta.migrating.findings import Place


@dataclass(frozen=True, slots=True)
class Row:
    """A row.

    Attributes:
        values: by the name of the column, in small letters; NULL is an empty text.
        place: where it stands.
    """

    values: Mapping[str, str] = field(repr=False)
    place: Place

    def text(self, column: str) -> str:
        """Return a text."""
        return self.values.get(column, "").strip()

    def number(self, column: str) -> int:
        """Return a number; what is none is 0."""
        text = self.text(column)
        digits = text.removeprefix("-")
        return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else 0

    def is_on(self, column: str) -> bool:
        """Return whether a flag is set."""
        return self.text(column).lower() in ("1", "-1", "true", "t", "b'1'")


@dataclass(slots=True)
class Tables:
    """The rows of all tables.

    Attributes:
        rows: by the name of the table without "hm_".
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, table: str, row: Row) -> None:
        """Add a row."""
        self.rows.setdefault(table, []).append(row)

    def of(self, table: str) -> list[Row]:
        """Return the rows of a table."""
        return self.rows.get(table, [])

    def where(self, table: str, column: str, value: str) -> Iterator[Row]:
        """Yield the rows of a table that belong to another one's."""
        return (row for row in self.of(table) if row.text(column) == value)
