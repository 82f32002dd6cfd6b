"""Searches answered key by key, many messages at once, held to asking each message by itself."""

from __future__ import annotations

from array import array
from itertools import compress

from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.imap.masks import at_least, in_ranges, mask_of, negated, number_of, runs_of, spread, with_bit
from twistedmail_mta.imap.search_columns import ColumnKeys, SearchColumns
from twistedmail_mta.imap.search_key import (
    And,
    ChangedSince,
    Contains,
    Fixed,
    Flagged,
    Key,
    Larger,
    Messages,
    Not,
    Or,
    Place,
    Smaller,
)
from twistedmail_mta.imap.sequences import SequenceSet, parse_set
from twistedmail_mta.imap.sieve import Sieve, plan

KEYWORDS = {"$junk": 5, "far": 62}
FLAGS = {"\\Seen": 0, "\\Answered": 1, "\\Flagged": 2, "\\Deleted": 3, "\\Draft": 4, "$Junk": 5, "FAR": 62, "none": 63}
NUMBERS = st.integers(0, (1 << 63) - 1) | st.integers(0, 300)
SUBJECTS = [Contains(Place.SUBJECT, text) for text in "abc"]
"""Keys that columns don't answer: a message, here a set of letters, has the text or not."""


@st.composite
def sets(draw: st.DrawFn) -> SequenceSet:
    terms = draw(st.lists(st.sampled_from(["1", "3", "*", "2:4", "5:*", "9:7", "$", "8"]), min_size=1, max_size=3))
    return parse_set(",".join(terms).encode())


LEAVES = st.one_of(
    st.sampled_from([*Fixed, *SUBJECTS]),
    st.sampled_from(sorted(FLAGS)).map(Flagged),
    st.builds(Messages, sets(), st.booleans()),
    NUMBERS.map(Larger),
    NUMBERS.map(Smaller),
    NUMBERS.map(ChangedSince),
)
KEYS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.builds(Or, inner, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda keys: And(tuple(keys))),
    ),
    max_leaves=8,
)


class Mailbox:
    """Some messages with columns, and letters that they have in their subjects."""

    def __init__(self, rows: list[tuple[int, int, int, str]], saved: list[int]) -> None:
        self.rows = rows
        self.uids = [2 * number + 1 for number in range(1, len(rows) + 1)]
        self.saved = [uid for uid in self.uids if uid in saved]
        self.recent_from = len(rows) // 2

    def columns(self) -> SearchColumns:
        modseqs, flags, sizes = (array("q", [row[place] for row in self.rows]) for place in range(3))
        return SearchColumns(modseqs, flags, sizes, KEYWORDS, self.recent_from, self.positions)

    def positions(self, key: Messages) -> list[range]:
        numbers = key.numbers
        if key.by_uid:
            return numbers.uid_positions(self.uids, self.saved)
        return numbers.number_positions(self.uids, self.saved)

    def has(self, index: int, key: Key) -> bool:
        """Ask one message."""
        match key:
            case Not(inner):
                return not self.has(index, inner)
            case Or(first, second):
                return self.has(index, first) or self.has(index, second)
            case And(keys):
                return all(self.has(index, inner) for inner in keys)
            case _:
                return self._answer(index, key)

    def _answer(self, index: int, key: Key) -> bool:
        modseq, flags, size, letters = self.rows[index]
        recent = index >= self.recent_from
        answers = {
            Fixed: lambda key: {"ALL": True, "RECENT": recent, "OLD": not recent, "NEW": recent and not flags & 1}[
                key.value
            ],
            Flagged: lambda key: FLAGS[key.flag] < 63 and bool(flags >> FLAGS[key.flag] & 1),
            Larger: lambda key: size > key.size,
            Smaller: lambda key: size < key.size,
            ChangedSince: lambda key: modseq >= key.mod_sequence,
            Messages: lambda key: any(index in positions for positions in self.positions(key)),
            Contains: lambda key: key.text in letters,
        }
        return answers[type(key)](key)


ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, st.text("abc", max_size=3)), max_size=12)
MAILBOXES = st.builds(Mailbox, ROWS, st.lists(st.integers(1, 30), max_size=4))


@given(MAILBOXES, KEYS, st.data())
@settings(max_examples=300)
def test_as_each_message_by_itself(mailbox: Mailbox, key: Key, data: st.DataObject) -> None:
    """In whatever order and pieces keys are answered, and only those that are undecided are asked."""
    count = len(mailbox.rows)
    begin = data.draw(st.integers(0, count))
    end = data.draw(st.integers(begin, count))
    keys = ColumnKeys(plan(key), mailbox.columns())
    sieve = Sieve(keys.plan, end - begin)
    gone = data.draw(st.binary(min_size=end - begin, max_size=end - begin)).translate(bytes([0, 1] * 128))

    sieve.know(dict(keys.masks(begin, end)))
    sieve.drop(gone)
    for leaf in data.draw(st.permutations(sieve.unknown())):
        places = range(begin, end)
        first, second = split(sieve.undecided, data)
        for where in (first, second):
            answers = [mailbox.has(index, keys.plan.leaves[leaf]) for index in compress(places, where)]
            sieve.learn(leaf, spread(answers, where), where)

    expected = [mailbox.has(index, key) and not gone[index - begin] for index in range(begin, end)]
    assert sieve.decided
    assert list(sieve.found) == expected


def split(mask: bytes, data: st.DataObject) -> tuple[bytes, bytes]:
    """Return two masks that are this one together."""
    cut = data.draw(st.integers(0, len(mask)))
    return mask[:cut] + bytes(len(mask) - cut), bytes(cut) + mask[cut:]


@given(MAILBOXES, KEYS, st.data())
def test_a_part_knows_what_the_whole_knew(mailbox: Mailbox, key: Key, data: st.DataObject) -> None:
    count = len(mailbox.rows)
    keys = ColumnKeys(plan(key), mailbox.columns())
    sieve = Sieve(keys.plan, count)
    sieve.know(dict(keys.masks(0, count)))
    places = sorted(data.draw(st.sets(st.sampled_from(range(count))))) if count else []

    some = sieve.part(lambda mask: bytes(mask[place] for place in places), len(places))

    assert list(some.found) == [sieve.found[place] for place in places]
    assert list(some.undecided) == [sieve.undecided[place] for place in places]


def test_equal_keys_are_one() -> None:
    """What is asked twice is answered once."""
    search = plan(And((Larger(1), Not(Or(Larger(1), Fixed.ALL)))))

    assert search.leaves == (Larger(1), Fixed.ALL) or search.leaves == (Fixed.ALL, Larger(1))


def test_nothing_is_asked_that_is_decided() -> None:
    sieve = Sieve(plan(And((Larger(1), SUBJECTS[0]))), 2)
    place = sieve.plan.leaves.index(Larger(1))

    sieve.know({place: b"\1\0"})

    assert sieve.undecided == b"\1\0"
    assert sieve.found == b"\0\0"


@given(st.lists(NUMBERS, max_size=20), NUMBERS)
def test_comparisons(numbers: list[int], least: int) -> None:
    assert list(at_least(array("q", numbers), least)) == [number >= least for number in numbers]
    assert list(at_least(array("q", numbers), 1 << 64)) == [False] * len(numbers)


@given(st.lists(NUMBERS, max_size=20), st.integers(0, 62))
def test_bits(numbers: list[int], bit: int) -> None:
    assert list(with_bit(array("q", numbers), bit)) == [number >> bit & 1 for number in numbers]


@given(st.lists(st.booleans(), max_size=30).map(bytes))
def test_masks(mask: bytes) -> None:
    assert mask_of(number_of(mask), len(mask)) == mask
    assert list(negated(mask)) == [not one for one in mask]
    assert in_ranges(runs_of(mask), len(mask)) == mask
    assert [index for run in runs_of(mask) for index in run] == list(compress(range(len(mask)), mask))
    assert all(first.stop < second.start for first, second in zip([*runs_of(mask)], [*runs_of(mask)][1:], strict=False))
