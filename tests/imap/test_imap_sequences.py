"""Sequence sets and UID sets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.imap.sequences import (
    LARGEST,
    LONGEST_SET,
    STAR,
    SequenceSet,
    format_set,
    parse_set,
    parse_uid_set,
    runs,
)

UIDS = st.sets(st.integers(1, 60)).map(sorted)
TERMS = st.lists(
    st.tuples(st.integers(1, 70) | st.just(STAR), st.integers(1, 70) | st.just(STAR)), min_size=1, max_size=6
)


def written(terms: list[tuple[int, int]]) -> bytes:
    """Return ranges as a client writes them, in any order."""
    return ",".join(f"{begin}:{end}".replace(str(STAR), "*") for begin, end in terms).encode()


def named(terms: list[tuple[int, int]], last: int) -> set[int]:
    """Return what the terms name where `last` is the last, one number after the other."""
    found: set[int] = set()
    for term in terms:
        begin, end = sorted(last if number == STAR else number for number in term)
        found |= set(range(begin, end + 1))
    return found


def at(positions: list[range], uids: list[int]) -> list[int]:
    """Return the UIDs at these positions, in their order."""
    return [uids[index] for found in positions for index in found]


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        (b"1", ((1, 1),)),
        (b"2,4:7,9,12:*", ((2, 2), (4, 7), (9, 9), (12, STAR))),
        (b"*:4,5:7", ((4, STAR),)),
        (b"4:2", ((2, 4),)),
        (b"*", ((STAR, STAR),)),
        (b"*:*", ((STAR, STAR),)),
        (b"1:4294967295", ((1, LARGEST),)),
        (b"3,1,2", ((1, 3),)),
    ],
)
def test_sets_are_read(text: bytes, ranges: tuple[tuple[int, int], ...]) -> None:
    """In order, and without overlaps (RFC 9051 section 9, sequence-set)."""
    assert parse_set(text) == SequenceSet(ranges)


def test_saved_results() -> None:
    """Alone and among others (RFC 5182 section 2.1)."""
    assert parse_set(b"$") == SequenceSet((), saved=True)
    assert parse_set(b"1,$") == SequenceSet(((1, 1),), saved=True)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b",",
        b"1,",
        b"0",
        b"01",
        b"1:",
        b":1",
        b"1:2:3",
        b"-1",
        b"+1",
        b"a",
        b"1 2",
        b"4294967296",
        b"1" * 30,
        b"$$",
        b"**",
        b"1\n",
        b"\xd9\xa1",
        b"1_0",
        b"1," * LONGEST_SET + b"1",
    ],
)
def test_what_is_no_set(text: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match=r"set"):
        parse_set(text)


@pytest.mark.parametrize("text", [b"*", b"1:*", b"$", b"1,$", b""])
def test_what_is_no_uid_set(text: bytes) -> None:
    """Known UIDs are known (RFC 7162 section 7)."""
    with pytest.raises(ValueError, match=r"set"):
        parse_uid_set(text)
    assert parse_uid_set(b"41,43:211,214:541").ranges == ((41, 41), (43, 211), (214, 541))


@given(st.binary(max_size=12) | st.text("12*:,$", max_size=14).map(str.encode))
@settings(derandomize=True, max_examples=250)
def test_any_octets_are_a_set_or_none(text: bytes) -> None:
    """Never anything but a set that is read again as it was, or a ValueError."""
    try:
        found = parse_set(text)
    except ValueError:
        return
    assert parse_set(found.encode()) == found


@given(TERMS, UIDS)
@settings(derandomize=True, max_examples=150)
def test_uids_are_found(terms: list[tuple[int, int]], uids: list[int]) -> None:
    """As if each number were looked up; what isn't there counts for nothing."""
    positions = parse_set(written(terms)).uid_positions(uids)

    assert at(positions, uids) == sorted(named(terms, uids[-1]) & set(uids) if uids else ())


@given(TERMS, UIDS)
@settings(derandomize=True, max_examples=150)
def test_numbers_are_found(terms: list[tuple[int, int]], uids: list[int]) -> None:
    """Numbers count messages from 1; those too large are left out."""
    count = len(uids)
    numbers = named(terms, count)

    found = parse_set(written(terms))

    assert at(found.number_positions(uids), uids) == [uids[n - 1] for n in sorted(numbers) if 1 <= n <= count]


@pytest.mark.parametrize(
    ("text", "count", "exceeds"),
    [
        (b"1:4", 4, False),
        (b"1:5", 4, True),
        (b"5", 4, True),
        (b"5,*", 4, True),
        (b"1:5,*", 4, True),
        (b"5:*", 4, False),
        (b"*", 4, False),
        (b"*", 0, True),
        (b"1", 0, True),
        (b"$", 0, False),
    ],
)
def test_numbers_that_are_too_large(text: bytes, count: int, exceeds: bool) -> None:
    """Such a command is answered BAD; not one that asks for what is new."""
    assert parse_set(text).exceeds(count) is exceeds


@given(UIDS, UIDS)
@settings(derandomize=True, max_examples=80)
def test_saved_results_are_found(uids: list[int], saved: list[int]) -> None:
    """ "$" stands for those saved UIDs that are still there, also among numbers."""
    both = sorted(set(uids) & set(saved))

    assert at(SequenceSet((), saved=True).uid_positions(uids, saved), uids) == both
    assert at(SequenceSet((), saved=True).number_positions(uids, saved), uids) == both
    assert at(SequenceSet(((1, 1),), saved=True).number_positions(uids, saved), uids) == sorted({*both, *uids[:1]})


@given(UIDS)
@settings(derandomize=True, max_examples=80)
def test_sets_come_back(uids: list[int]) -> None:
    """Written compactly and read again; no two ranges touch."""
    assert [n for first, last in runs(uids) for n in range(first, last + 1)] == uids
    assert all(first[1] + 1 < second[0] for first, second in zip(runs(uids), runs(uids)[1:], strict=False))
    if uids:
        assert parse_uid_set(format_set(uids)).ranges == tuple(runs(uids))


def test_sets_are_written() -> None:
    """The example of RFC 4315 section 3, and nothing for nothing."""
    assert format_set([304, 319, 320]) == b"304,319:320"
    assert format_set([]) == b""


def test_all_there_is_costs_nothing() -> None:
    """However many numbers are named, two are looked up, and no list is made."""
    uids = range(1, LARGEST + 1, 3)

    assert parse_set(b"1:4294967295").uid_positions(uids) == [range(len(uids))]
    assert parse_set(b",".join([b"1:*"] * 10_000)).uid_positions(uids) == [range(len(uids))]
