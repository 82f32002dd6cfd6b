"""No statement that many sessions run reads more of a table than it needs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from mail_at_rest import Rest

from twistedmail_mta.mailbox import (
    accounts,
    appending,
    copying,
    deposit,
    flagging,
    hierarchy,
    mailboxes,
    purging,
    reading,
    remembered,
    removal,
    snapshot,
    stored,
)
from twistedmail_mta.spool import tables

MODULES = (
    *(accounts, appending, copying, deposit, flagging, hierarchy, mailboxes, purging, reading, remembered, removal),
    *(snapshot, stored),
)
SHORT = {"uid_validity", "released", "r", "unfinished", "m"}
"""Tables that are read from their begin, because they have one row, or are emptied; and what a statement has chosen."""


def statements() -> list[Any]:
    found = {
        f"{module.__name__.rpartition('.')[2]}.{name}": value
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, str) and re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT) ", value) and name != "_COLUMNS"
    }
    return [pytest.param(sql, id=name) for name, sql in found.items()]


@pytest.mark.parametrize("sql", statements())
def test_rows_are_searched_for(sql: str) -> None:
    plan = [
        step[3]
        for step in Rest().rows(f"EXPLAIN QUERY PLAN {sql.replace('{flags}', 'flags')}", *["[]"] * parameters(sql))
    ]

    scanned = [
        found[1]
        for step in plan
        if (found := re.match(r"SCAN (\w+)\b(?! USING INDEX mailbox_deleted)", step)) and found[1] != "json_each"
    ]
    assert set(scanned) <= SHORT, plan


def parameters(sql: str) -> int:
    """Return how many parameters a statement has."""
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    return max(numbered) if numbered else sql.count("?")


def test_usage_is_summed_up_of_one_account() -> None:
    plan = [step[3] for step in Rest().rows("EXPLAIN QUERY PLAN SELECT octets FROM usage WHERE account = ?", 1)]

    assert "SEARCH mailbox USING INDEX mailbox_name (account=? AND name>?)" in plan


def test_the_spool_forgets_progress_by_its_key() -> None:
    plan = Rest().rows(f"EXPLAIN QUERY PLAN {tables.LAST_GONE}", 1)

    assert not [step for *_, step in plan if step.startswith("SCAN")]
