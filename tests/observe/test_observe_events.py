"""Events of the log: each has a name and is documented; ids are called the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path

from events_in_code import logged, table

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "events.md"


def test_the_document_has_all_events() -> None:
    """docs/events.md ends in the table of tests/observe/events_in_code.py; run that for the new one when this fails."""
    assert DOCUMENT.read_text().rstrip().endswith(table())


def test_every_event_has_a_name() -> None:
    """Of small words with dots between them, so that programs can pick events."""
    assert [each.where for each in logged() if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", each.event)] == []


def test_ids_have_one_name() -> None:
    """A message is its queue_id, a connection its session, in every event."""
    wrong = {"id", "message", "message_id", "msg_id", "queueid", "session_id", "time", "level", "source", "traceback"}

    assert [(each.where, set(each.fields) & wrong) for each in logged() if set(each.fields) & wrong] == []


def test_nothing_secret_is_a_field() -> None:
    """No event has a place for a subject, a text or a password."""
    wrong = re.compile(r"subject_line|body|password|passwd|secret|credential|header$|challenge")

    assert [(each.where, field) for each in logged() for field in each.fields if wrong.search(field)] == []
