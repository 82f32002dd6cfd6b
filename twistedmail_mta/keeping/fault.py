"""What is wrong with a state, and what would mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.interfaces import Transaction

KEPT: Final = 10_000
"""Faults that are named; more are counted."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What mends a fault, without losing anything that is still there.

    Attributes:
        words: what it does, to be said before.
        apply: does it, in a transaction of its own, while no server runs.
    """

    words: str
    apply: Callable[[Transaction], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that isn't as it should be.

    Attributes:
        kind: such as "body.missing".
        subject: what it is about.
        words: what is wrong with it.
        repair: None: nothing that is here can mend it.
    """

    kind: str
    subject: str
    words: str
    repair: Repair | None = None


Faults = Iterator[Fault]


@dataclass(slots=True)
class Found:
    """All that was found; of very much, some is named and all is counted.

    Attributes:
        faults: the first of them.
        counts: how many there are of each kind.
        notes: what is no fault, and good to know.
        looked_at: how many there were of what was looked at.
    """

    faults: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    looked_at: Counter[str] = field(default_factory=Counter)

    def add(self, fault: Fault) -> None:
        """Count a fault, and keep it if there is room."""
        self.counts[fault.kind] += 1
        if len(self.faults) < KEPT:
            self.faults.append(fault)

    @property
    def number(self) -> int:
        """How many faults there are."""
        return self.counts.total()


def executing(words: str, sql: str, *parameters: object) -> Repair:
    """Return a repair that is one statement."""
    return Repair(words, lambda tx: list(tx.execute(sql, parameters)))
