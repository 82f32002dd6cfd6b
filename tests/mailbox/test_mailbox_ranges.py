"""Numbers as runs."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mailbox.ranges import ranges


@settings(derandomize=True)
@given(st.sets(st.integers(0, 30)))
def test_runs_are_the_numbers_and_as_few_as_can_be(numbers: set[int]) -> None:
    runs = list(ranges(sorted(numbers)))

    assert {number for first, last in runs for number in range(first, last + 1)} == numbers
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(runs))
