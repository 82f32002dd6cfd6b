"""UIDs that vanished."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.imap.sequences import format_ranges, parse_set, runs
from twistedmail_mta.imap.vanished import common, gaps, vanished_line

uids = st.sets(st.integers(1, 40)).map(sorted)


def members(ranges: list[tuple[int, int]]) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]


@given(uids, uids)
def test_common(some: list[int], others: list[int]) -> None:
    """What is in both sets, each once, in order."""
    assert members(list(common(runs(some), runs(others)))) == sorted({*some} & {*others})


@given(uids, st.integers(1, 45))
def test_gaps(present: list[int], uid_next: int) -> None:
    """What no message has of the UIDs that were given."""
    present = [uid for uid in present if uid < uid_next]

    assert members(list(gaps(present, uid_next))) == [uid for uid in range(1, uid_next) if uid not in present]


def test_line() -> None:
    """As RFC 7162 section 3.2.6's example has it; where nothing vanished, nothing is said."""
    asked, gone = parse_set(b"300:500").ranges, parse_set(b"1:310,405,411").ranges

    assert vanished_line(list(common(gone, asked))) == b"* VANISHED (EARLIER) 300:310,405,411\r\n"
    assert format_ranges(common(gone, asked)) == b"300:310,405,411"
    assert vanished_line([]) == b""
