"""The history's schema and statements.

A `story` is a message, or an attempt to bring one that was refused: a row that
tells all that was known when it was decided.  A `step` is what happened to it
afterwards.  A `term` is something that stories are looked for by; terms lie
together by spans of an hour, so that new ones are written in few pages, and
old ones go with their span.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.schema import Migration

NAME: Final = "history.db"
"""The file in the state directory."""

SCHEMA: Final = """
CREATE TABLE story (
    id INTEGER PRIMARY KEY,    -- the message's, or one of the same kind where there was none
    at REAL NOT NULL,          -- seconds since the epoch: when it was accepted, refused or given up
    outcome INTEGER NOT NULL,  -- `story.Outcome`
    sender TEXT,               -- NULL: there was no MAIL
    recipients TEXT,           -- one a line
    message_id TEXT,
    size INTEGER,
    protocol TEXT,
    peer TEXT,
    helo TEXT,
    listener TEXT,
    session TEXT,
    tls TEXT,
    account TEXT,
    mechanism TEXT,
    command TEXT,              -- what was refused
    reply TEXT,
    verdicts TEXT,             -- JSON: [plugin, stage, answer]
    refused TEXT,              -- JSON: [recipient, reply]
    filed TEXT,                -- JSON: [recipient, mailbox, UID]
    signed TEXT,
    detained TEXT,
    tags TEXT,
    about INTEGER              -- the message that this one reports on
);
CREATE TABLE step (
    story INTEGER NOT NULL,
    moment INTEGER NOT NULL,   -- microseconds since the epoch
    kind INTEGER NOT NULL,     -- `story.Kind`
    recipient TEXT,
    hop TEXT,
    remote TEXT,
    tls INTEGER,               -- 1: it went over TLS
    proof TEXT,
    reply TEXT,
    attempt INTEGER,
    due REAL,                  -- seconds since the epoch
    extra TEXT,                -- JSON
    PRIMARY KEY (story, moment)
) WITHOUT ROWID;
CREATE TABLE term (
    span INTEGER NOT NULL,
    key INTEGER NOT NULL,
    story INTEGER NOT NULL,
    PRIMARY KEY (span, key, story)
) WITHOUT ROWID;
"""

_ASKED: Final = "ALTER TABLE story ADD COLUMN asked TEXT;  -- plugins and stages, as `Pipeline.roll`"

MIGRATIONS: Final = (Migration(1, "0001_history.sql", SCHEMA), Migration(2, "0002_asked.sql", _ASKED))

STORY_COLUMNS: Final = (
    *("id", "at", "outcome", "sender", "recipients", "message_id", "size", "protocol", "peer", "helo", "listener"),
    *("session", "tls", "account", "mechanism", "command", "reply", "verdicts", "refused", "filed", "signed"),
    *("detained", "tags", "about", "asked"),
)
STEP_COLUMNS: Final = (
    *("story", "moment", "kind", "recipient", "hop", "remote", "tls", "proof", "reply", "attempt", "due", "extra"),
)


TERM_COLUMNS: Final = ("span", "key", "story")

AT_ONCE: Final = 40
"""Rows that one statement adds: a thread has to win the interpreter back after each, from a reactor that is busy."""


def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    places = f"({', '.join('?' * len(columns))})"
    return f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES {', '.join([places] * rows)}"  # noqa: S608 - our own names


_COLUMNS: Final = {"story": STORY_COLUMNS, "step": STEP_COLUMNS, "term": TERM_COLUMNS}
_ADD_ONE: Final = {table: _insert(table, columns, 1) for table, columns in _COLUMNS.items()}
_ADD_MANY: Final = {table: _insert(table, columns, AT_ONCE) for table, columns in _COLUMNS.items()}


def add(tx: Transaction, table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Add rows to one of the tables; those that are there already stay as they are."""
    whole = len(rows) - len(rows) % AT_ONCE
    for start in range(0, whole, AT_ONCE):
        tx.execute(_ADD_MANY[table], [*chain.from_iterable(rows[start : start + AT_ONCE])])
    if whole < len(rows):
        tx.executemany(_ADD_ONE[table], rows[whole:])


READ_STORIES: Final = (
    f"SELECT {', '.join(STORY_COLUMNS)} FROM story"  # noqa: S608 - likewise
    " WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC"
)
READ_STEPS: Final = (
    f"SELECT {', '.join(STEP_COLUMNS)} FROM step"  # noqa: S608 - likewise
    " WHERE story IN (SELECT value FROM json_each(?)) ORDER BY story, moment"
)
