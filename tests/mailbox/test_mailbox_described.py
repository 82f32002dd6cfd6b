"""Columns of many messages at once."""

from __future__ import annotations

import json
from itertools import chain, combinations

import pytest
from mail_at_rest import STRUCTURE, Rest, run

from twistedmail_mta.mailbox.described import Column, read_described
from twistedmail_mta.model import FileBody, InlineBody


@pytest.fixture
def rest() -> Rest:
    rest = Rest()
    box = rest.inbox().id
    bodies = [rest.body(b"x" * n, file=n % 5 == 4) for n in range(20)]
    messages = [
        rest.incoming(body=body, header=b"N: %d\r\n\r\n" % n, internal_date=1000 + n) for n, body in enumerate(bodies)
    ]
    run(rest.store.append(box, messages))
    run(rest.store.append(rest.inbox(2).id, [rest.incoming()]))
    run(rest.store.remove(box, [3, 7, 8, 20]))
    return rest


def expected(uid: int) -> dict[Column, object]:
    body = InlineBody(b"x" * (uid - 1)) if uid % 5 else FileBody("", uid - 1)
    return {
        Column.INTERNAL_DATE: 999 + uid,
        Column.PREFIX: b"",
        Column.ENVELOPE: STRUCTURE.envelope,
        Column.STRUCTURE: STRUCTURE.body,
        Column.PARTS: STRUCTURE.parts,
        Column.HEADER: b"N: %d\r\n\r\n" % (uid - 1),
        Column.BODY_SIZE: uid - 1,
        Column.OCTETS: body.data if isinstance(body, InlineBody) else None,
    }


HERE = [uid for uid in range(1, 21) if uid not in {3, 7, 8, 20}]
READABLE = [column for column in Column if column is not Column.FILE]


@pytest.mark.parametrize(
    "columns",
    [pytest.param(each, id="-".join(column.name for column in each)) for each in chain(
        combinations(READABLE, 1), combinations(READABLE, 2), [tuple(READABLE), tuple(reversed(READABLE))]
    )],
)  # fmt: skip
def test_columns(rest: Rest, columns: tuple[Column, ...]) -> None:
    """Exactly what was asked for, in that order, of those that are there."""
    for uids in (range(1, 21), [1, 2, 5, 7, 9, 19], [4], [8], range(30, 40)):
        rows = run(rest.store.described(rest.inbox().id, uids, columns, 1 << 20))

        assert rows == [(uid, *(expected(uid)[column] for column in columns)) for uid in uids if uid in HERE]


def test_file(rest: Rest) -> None:
    """A large body is told by its name."""
    rows = run(rest.store.described(rest.inbox().id, [5, 6], (Column.FILE, Column.OCTETS), 100))

    assert [row[1] is None for row in rows] == [False, True]
    assert rest.files.octets[rows[0][1]] == b"xxxx"
    assert rows[0][2] is None


@pytest.mark.parametrize("uids", [range(1, 21), [1, 2, 5, 6, 10, 11, 12]])
def test_most(rest: Rest, uids: list[int]) -> None:
    """Reading ends with the message that fills the measure; asking again from there brings the rest."""
    columns = (Column.HEADER, Column.OCTETS)
    every = run(rest.store.described(rest.inbox().id, uids, columns, 1 << 20))
    for most in (1, 10, 20, 50):
        left, found = list(uids), []
        while rows := run(rest.store.described(rest.inbox().id, left, columns, most)) if left else []:
            octets = [len(row[1]) + len(row[2] or b"") for row in rows]
            assert sum(octets[:-1]) < most
            found += rows
            left = [uid for uid in left if uid > rows[-1][0]]
        assert found == every


def test_plans(rest: Rest) -> None:
    """Messages are looked up by their keys in order, and nothing is sorted."""
    explained: list[str] = []

    class Explaining:
        def execute(self, sql: str, parameters: tuple[object, ...]) -> list[tuple[object, ...]]:
            explained.extend(row[3] for row in rest.rows(f"EXPLAIN QUERY PLAN {sql}", *parameters))
            return []

    for uids in (range(1, 21), [1, 3, 5]):
        read_described(Explaining(), rest.inbox().id, uids, tuple(Column), 1)

    assert not [line for line in explained if "TEMP B-TREE" in line or line.startswith("SCAN m")], explained
    assert json.dumps(explained).count("SEARCH m USING PRIMARY KEY (mailbox=? AND uid") == 2
