"""What two states of a mailbox have in common."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.access.imap.common_runs import common_runs

UIDS = st.integers(1, 400)


@given(st.sets(UIDS), st.sets(UIDS), st.sets(st.integers(401, 420)))
def test_any(known: set[int], gone: set[int], come: set[int]) -> None:
    """All that is in both, each once, however much is gone or has come."""
    before, after = array("I", sorted(known)), array("I", sorted((known - gone) | come))

    runs = list(common_runs(before, after))

    found = [(here + n, there + n) for here, there, count in runs for n in range(count)]
    assert [before[here] for here, _ in found] == [after[there] for _, there in found] == sorted(known - gone)
    assert all(count for _, _, count in runs)


@given(st.sets(st.integers(1, 5000), max_size=5), st.integers(0, 3))
def test_few_of_many(gone: set[int], come: int) -> None:
    """Where a few of many are gone there are a few runs."""
    before = array("I", range(1, 5001))
    after = array("I", [uid for uid in range(1, 5001 + come) if uid not in gone])

    runs = list(common_runs(before, after))

    assert sum(count for _, _, count in runs) == 5000 - len(gone)
    assert len(runs) <= len(gone) + 1


@given(st.sets(UIDS), st.sets(UIDS))
def test_unrelated(some: set[int], others: set[int]) -> None:
    """It ends, and finds what there is, whatever is compared."""
    one, other = array("I", sorted(some)), array("I", sorted(others))

    assert [one[here + n] for here, _, count in common_runs(one, other) for n in range(count)] == sorted(some & others)
