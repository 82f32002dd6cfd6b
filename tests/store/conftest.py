"""A database with one small table, on a reactor driven by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hand_reactor import HandReactor
from words_database import WORDS, Open

from twistedmail_mta.store.database import Database
from twistedmail_mta.store.files import DatabaseFiles


@pytest.fixture
def hand() -> HandReactor:
    """Return the reactor."""
    return HandReactor()


@pytest.fixture
def open_words(hand: HandReactor, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens the database of words; it is closed in the end."""
    opened: list[Database] = []

    def open_it(**options: Any) -> Database:
        settings = {"margin": 0, "ballast_size": 4096, "migrations": WORDS, **options}
        opened.append(Database(hand, DatabaseFiles(tmp_path / "words.db", **settings)))
        return opened[-1]

    yield open_it
    for database in opened:
        hand.wait(database.close())


@pytest.fixture
def database(open_words: Open) -> Database:
    """Return the database of words."""
    return open_words()
