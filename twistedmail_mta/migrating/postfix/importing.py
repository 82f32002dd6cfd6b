"""What the parts of an import of Postfix share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from twistedmail_mta.migrating.draft import Draft
from twistedmail_mta.migrating.findings import Outcome, Place
from twistedmail_mta.migrating.postfix.main_cf import MainCf, words
from twistedmail_mta.migrating.postfix.master_cf import Service
from twistedmail_mta.migrating.postfix.tables import Row, UnreadableTable, rows_of
from twistedmail_mta.migrating.texts import Read, logical_lines


@dataclass(slots=True)
class Importing:
    """An import of Postfix that is under way.

    Attributes:
        config: main.cf.
        services: of master.cf.
        read: reads a file.
        draft: the new site.
        done: settings that somebody has looked at.
        primary: the domain of addresses without one, if it is known.
        local: the domain of users of the system; None: they get no mail.
    """

    config: MainCf
    services: Sequence[Service]
    read: Read
    draft: Draft
    done: set[str] = field(default_factory=set)
    primary: str | None = None
    local: str | None = None

    def value(self, name: str) -> str:
        """Return what a setting stands for, and note that it was looked at; nothing if that can't be found out."""
        try:
            value = self.config.value(name)
        except ValueError as error:
            if name not in self.done:
                self.say("unmapped", name, "", f"{error}; mend it in main.cf, and import again")
            value = ""
        self.done.add(name)
        return value

    def given(self, name: str) -> str | None:
        """Return the value of a setting that main.cf has and that says something, else None."""
        value = self.value(name)
        return (value or None) if self.config.given(name) is not None else None

    def words(self, name: str) -> list[str]:
        """Return the words of a list."""
        return words(self.value(name))

    def say(self, outcome: Outcome, name: str, key: str = "", advice: str = "") -> None:
        """Tell what became of a setting."""
        self.done.add(name)
        given = self.config.settings.get(name)
        value = "" if given is None else given.raw
        self.draft.say(outcome, self.config.place(name), name, value, key, advice)

    def comment(self, name: str) -> str:
        """Return what stands behind a key that a setting became."""
        given = self.config.settings.get(name)
        return f"Postfix's default of {name}" if given is None else f"{given.place}: {name}"

    def rows(self, name: str, table: str) -> list[Row]:
        """Return the rows of a table; one that can't be read is told."""
        try:
            return list(rows_of(table, self.read, self.config.place(name)))
        except UnreadableTable as error:
            self.draft.say("unmapped", self.config.place(name), name, table, "", str(error))
            return []

    def listed(self, name: str, entries: Iterable[str]) -> Iterator[tuple[str, Place | None]]:
        """Yield the entries of a list of domains or networks: what it says, and what files and tables in it say."""
        for entry in entries:
            if entry.startswith("/"):
                try:
                    text = self.read(entry)
                except OSError as error:
                    advice = f"{error}; run the import where it is, or copy it along"
                    self.draft.say("unmapped", self.config.place(name), name, entry, "", advice)
                    continue
                for line in logical_lines(text, entry):
                    yield from ((word, line.place) for word in words(line.text))
            elif ":" in entry and "/" in entry and not entry.startswith("["):
                yield from ((row.key, row.place) for row in self.rows(name, entry))
            else:
                yield entry, self.config.place(name)
