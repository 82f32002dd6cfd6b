"""What reporting is tried with: a database in memory, time that a test turns, and mail of a bank."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twistedmail_mta.dmarc.report import Case, Published
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.reporting.dmarc_form import case_of
from twistedmail_mta.reporting.dmarc_rows import KeptDay, cases_of, domains_of, find_day
from twistedmail_mta.reporting.evaluations import Evaluations
from twistedmail_mta.testing.surroundings import START, Surroundings

DAY = int(START) // 86400
BANK = Published("bank.test", "reject", "reject", "reject", "r", "r", "treewalk", "0", testing=False)
CASE = Case("192.0.2.1", "reject", "fail", "fail", "bank.test", "evil.test")


class Counting:
    """Evaluations on a database; another one on the same surroundings is what comes after a restart."""

    def __init__(self, around: Surroundings | None = None) -> None:
        self.around = around or Surroundings()
        self.clock = self.around.clock
        self.evaluations = Evaluations(self.around.database, self.clock, self.around.now)

    def note(self, source: str = "192.0.2.1", domain: str = "bank.test", *, is_report: bool = False) -> None:
        """Count a message."""
        self.evaluations.note(replace(BANK, domain=domain), replace(CASE, source=source), is_report)

    def due(self, day: int = DAY, most: int = 100) -> list[str]:
        """Return whom to report a day to."""
        return domains_of(self._rows, day, most)

    def kept(self, domain: str = "bank.test", day: int = DAY) -> KeptDay:
        """Return what is kept of a domain."""
        kept = find_day(self._rows, day, domain)
        assert kept is not None
        return kept

    def counts(self, day: int = DAY) -> dict[str, dict[str, int]]:
        """Return how many messages are kept of a day, by domain and source."""
        return {
            domain: {case_of(text).source: count for text, count in cases_of(self._rows, self.kept(domain, day).id, 0)}
            for domain in self.due(day)
        }

    @property
    def _rows(self) -> Transaction:
        return Rows(self.around)


class Rows:
    """Reads the database of a test."""

    def __init__(self, around: Surroundings) -> None:
        self._database = around.database

    def execute(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """Return rows."""
        return self._database.rows(sql, *parameters)

    def executemany(self, sql: str, rows: Any) -> list[tuple[Any, ...]]:
        """Nothing is written here."""
        raise AssertionError(sql)

    def changes(self) -> int:
        """Nothing is changed here."""
        return 0
