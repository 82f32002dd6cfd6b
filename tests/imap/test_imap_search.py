"""SEARCH, SORT and THREAD."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imap_commands import action, every_form, wrong

from twistedmail_mta.imap.search import Algorithm, Criterion, Result, Search, Sort, Thread, UnknownCharset
from twistedmail_mta.imap.search_key import (
    MAX_KEYS,
    And,
    ChangedSince,
    Contains,
    Dated,
    Field,
    Fixed,
    Flagged,
    Key,
    Larger,
    Messages,
    Not,
    Or,
    Place,
    Smaller,
    When,
)
from twistedmail_mta.imap.sequences import SequenceSet, parse_set
from twistedmail_mta.imap.tokens import LARGEST_64, MAX_DEPTH

SEEN = Flagged("\\Seen")
DAY = date(1994, 2, 1)


@pytest.mark.parametrize(
    ("octets", "key"),
    [
        (b"ALL", Fixed.ALL),
        (b"new", Fixed.NEW),
        (b"SEEN", SEEN),
        (b"unseen", Not(SEEN)),
        (b"UNDRAFT", Not(Flagged("\\Draft"))),
        (b"KEYWORD $Junk", Flagged("$Junk")),
        (b"UNKEYWORD $Junk", Not(Flagged("$Junk"))),
        (b"2,4:*", Messages(parse_set(b"2,4:*"), by_uid=False)),
        (b"$", Messages(SequenceSet((), saved=True), by_uid=False)),
        (b"UID *", Messages(parse_set(b"*"), by_uid=True)),
        (b'FROM "Smith"', Contains(Place.FROM, "Smith")),
        ("TEXT {9}\r\n日本語".encode(), Contains(Place.TEXT, "日本語")),
        (b'HEADER Message-ID ""', Field("Message-ID", "")),
        (b"SINCE 1-Feb-1994", Dated(When.SINCE, DAY, sent=False)),
        (b'SENTBEFORE "01-feb-1994"', Dated(When.BEFORE, DAY, sent=True)),
        (b"LARGER 10", Larger(10)),
        (b"SMALLER 10", Smaller(10)),
        (b"MODSEQ 620162338", ChangedSince(620162338)),
        (b'MODSEQ "/flags/\\\\draft" all 620162338', ChangedSince(620162338)),
        (b"OR SEEN NOT NEW", Or(SEEN, Not(Fixed.NEW))),
        (b"(SEEN)", SEEN),
        (b"(SEEN NEW) ALL", And((And((SEEN, Fixed.NEW)), Fixed.ALL))),
    ],
)
def test_keys(octets: bytes, key: Key) -> None:
    """As the RFCs have them, and the same whatever they are for."""
    assert action(b"SEARCH " + octets) == Search(by_uid=False, key=key)
    assert action(b"UID SORT (DATE) UTF-8 " + octets) == Sort(True, ((Criterion.DATE, False),), key)
    assert action(b"THREAD REFERENCES utf-8 " + octets) == Thread(False, Algorithm.REFERENCES, key)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"SEARCH RETURN () ALL", Search(False, Fixed.ALL, frozenset({Result.ALL}))),
        (
            b"uid search return (min COUNT) CHARSET us-ascii ALL",
            Search(True, Fixed.ALL, frozenset({Result.MIN, Result.COUNT})),
        ),
        (b"SEARCH RETURN (SAVE) ALL", Search(False, Fixed.ALL, frozenset({Result.SAVE}))),
        (b'SEARCH CHARSET "utf-8" ALL', Search(False, Fixed.ALL)),
        (b'SEARCH CHARSET KOI8-R FROM "\xc1\xc2"', UnknownCharset()),
        (b"SEARCH RETURN (SAVE MIN) CHARSET X ALL", UnknownCharset(saves=True)),
        (b"SEARCH RETURN (ALL) CHARSET X ALL", UnknownCharset()),
        (b"THREAD ORDEREDSUBJECT X ALL", UnknownCharset()),
        (
            b"SORT (REVERSE DATE subject) US-ASCII ALL",
            Sort(False, ((Criterion.DATE, True), (Criterion.SUBJECT, False)), Fixed.ALL),
        ),
        (b"UID THREAD orderedsubject UTF-8 ALL", Thread(True, Algorithm.ORDEREDSUBJECT, Fixed.ALL)),
    ],
)
def test_commands(octets: bytes, value: object) -> None:
    """What is told, in which order, in which charset."""
    assert action(octets) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b" ",
        b" FOO",
        b" ALL ",
        b" ALL)",
        b" (ALL",
        b" ()",
        b" NOT",
        b" OR ALL",
        b" OR ALL ",
        b" FROM",
        b" FROM \xff",
        b' FROM "\xff"',
        b' CHARSET US-ASCII FROM "\xc3\xbc"',
        b" CHARSET",
        b" CHARSET UTF-8",
        b" CHARSET KOI8-R FOO",
        b" HEADER x",
        b" KEYWORD \\Seen",
        b" ON 31-Feb-1994",
        b" LARGER -1",
        b" LARGER 9223372036854775808",
        b" UID x",
        b" UID",
        b" 0",
        b" MODSEQ",
        b' MODSEQ "/flags/a" 1',
        b' MODSEQ "/flags/a" some 1',
        b" RETURN ALL",
        b" RETURN (FOO) ALL",
        b" RETURN (ALL)",
    ],
)
def test_what_is_wrong(octets: bytes) -> None:
    """It is said, with the tag."""
    assert wrong(b"SEARCH" + octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"SORT",
        b"SORT ()",
        b"SORT () UTF-8 ALL",
        b"SORT (DATE) ALL",
        b"SORT (REVERSE) UTF-8 ALL",
        b"SORT (FOO) UTF-8 ALL",
        b"THREAD",
        b"THREAD FOO UTF-8 ALL",
        b"THREAD REFERENCES ALL",
        b"THREAD REFERENCES UTF-8",
    ],
)
def test_what_is_wrong_with_orders(octets: bytes) -> None:
    """Criteria, algorithms and charsets can't be left out."""
    assert wrong(octets)


@pytest.mark.parametrize("word", [b"NOT ", b"OR ALL ", b"("])
def test_nesting_is_bounded(word: bytes) -> None:
    """Keys within keys, of every kind."""
    end = b")" if word == b"(" else b""

    assert isinstance(action(b"SEARCH " + word * MAX_DEPTH + b"ALL" + end * MAX_DEPTH), Search)
    assert "nested" in wrong(b"SEARCH " + word * 5_000 + b"ALL" + end * 5_000)


def written(key: Key) -> bytes:  # noqa: C901, PLR0911 - a case for each kind
    """Return a key as a client writes it."""
    match key:
        case Fixed():
            return key.value.encode()
        case Messages(numbers, by_uid):
            return b"UID " * by_uid + numbers.encode()
        case Flagged(flag):
            return flag[1:].encode() if flag.startswith("\\") else b"KEYWORD " + flag.encode()
        case Contains(place, text):
            return place.value.encode() + b" " + every_form(text.encode())[-1]
        case Field(name, text):
            return b"HEADER " + every_form(name.encode())[-1] + b" " + every_form(text.encode())[0]
        case Dated(when, day, sent):
            return b"SENT" * sent + when.value.encode() + day.strftime(" %d-%b-%Y").encode()
        case Larger(size):
            return b"LARGER %d" % size
        case Smaller(size):
            return b"SMALLER %d" % size
        case ChangedSince(mod_sequence):
            return b"MODSEQ %d" % mod_sequence
        case Not(inner):
            return b"NOT " + written(inner)
        case Or(first, second):
            return b"OR " + written(first) + b" " + written(second)
        case And(keys):
            return b"(" + b" ".join(map(written, keys)) + b")"


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
SIZES = st.integers(0, LARGEST_64)
SETS = st.lists(st.integers(1, 99), min_size=1, max_size=4).map(
    lambda numbers: parse_set(",".join(map(str, numbers)).encode())
)
SIMPLE: st.SearchStrategy[Key] = st.one_of(
    st.sampled_from(Fixed),
    st.sampled_from(["\\Seen", "\\Draft", "$Junk", "x"]).map(Flagged),
    st.builds(Messages, SETS, st.booleans()),
    st.builds(Contains, st.sampled_from(Place), TEXTS),
    st.builds(Field, st.from_regex(r"\A[A-Za-z-]{1,8}\Z"), TEXTS),
    st.builds(Dated, st.sampled_from(When), st.dates(date(1000, 1, 1)), st.booleans()),
    SIZES.map(Larger) | SIZES.map(Smaller) | SIZES.map(ChangedSince),
)
KEYS: st.SearchStrategy[Key] = st.recursive(
    SIMPLE,
    lambda keys: (
        st.builds(Not, keys) | st.builds(Or, keys, keys) | st.lists(keys, min_size=2, max_size=3).map(tuple).map(And)
    ),
    max_leaves=8,
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(KEYS)
def test_keys_come_back(key: Key) -> None:
    """However they are nested."""
    assert action(b"SEARCH " + written(key)) == Search(by_uid=False, key=key)


def test_keys_are_bounded() -> None:
    """As many as are allowed, and one more, wherever they stand."""
    most = b" ".join([b"1"] * MAX_KEYS)

    found = action(b"SEARCH " + most)

    assert isinstance(found, Search)
    assert isinstance(found.key, And)
    assert len(found.key.keys) == MAX_KEYS
    assert "too many" in wrong(b"SEARCH " + most + b" 1")
    assert "too many" in wrong(b"SEARCH (1 1) " + most)
