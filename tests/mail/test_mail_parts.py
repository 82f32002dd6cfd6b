"""Parts are found again by their numbers, in what was packed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.parts import Encoding, Nesting, Part, find, pack, read_parts

places = st.integers(0, 2**32 - 1)
wide_places = st.integers(0, 2**64 - 1)


def parts(numbers: st.SearchStrategy[int]) -> st.SearchStrategy[Part]:
    def part(children: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
        return st.builds(Part, *fields, st.lists(children, max_size=4).map(tuple))

    fields = (st.sampled_from(Nesting), st.sampled_from(Encoding), *[numbers] * 4)
    return st.recursive(st.builds(Part, *fields), part, max_leaves=20)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(parts(places) | parts(wide_places))
def test_packed_and_read(tree: Part) -> None:
    """What is packed is read back, also where a message is over 4 GiB."""
    tree = replace(tree, end=max(numbers(tree)))  # nothing lies behind the end of all

    assert pack(tree)[0] == (1 if tree.end < 1 << 32 else 2)
    assert read_parts(pack(tree)) == tree


def numbers(part: Part) -> list[int]:
    own = [part.header, part.begin, part.end, part.lines]
    return own + [number for child in part.children for number in numbers(child)]


@pytest.mark.parametrize(
    ("end", "packed"),
    [
        (3, "01 0201 0100 00000000 00000000 03000000 07000000 0002 0000 01000000 02000000 03000000 01000000"),
        (1 << 32, "02 0201 0100 0000000000000000 0000000000000000 0000000001000000 0700000000000000"),
    ],
)
def test_form(end: int, packed: str) -> None:
    """What was packed once must be read for ever, so its form doesn't change."""
    inside = Part(Nesting.LEAF, Encoding.BASE64, 1, 2, 3, 1)
    tree = Part(Nesting.MESSAGE, Encoding.QUOTED_PRINTABLE, 0, 0, end, 7, (inside,))

    assert pack(tree).startswith(bytes.fromhex(packed))
    assert read_parts(pack(tree)) == tree


def test_small() -> None:
    """A message of one part takes 21 octets."""
    assert len(pack(Part(Nesting.LEAF, Encoding.BASE64, 0, 0, 1 << 31, 1 << 25))) == 21


GOOD = pack(Part(Nesting.LEAF, Encoding.BASE64, 0, 0, 3, 1))


@pytest.mark.parametrize(
    "packed",
    [b"", b"\1", b"\0" + GOOD[1:], b"\3" + GOOD[1:], GOOD[:-1], GOOD + b"\0", GOOD + GOOD[1:], b"\1\7" + GOOD[2:]],
)
def test_something_else(packed: bytes) -> None:
    """Octets that no version has packed are no parts."""
    with pytest.raises(ValueError):
        read_parts(packed)


def leaf(place: int) -> Part:
    return Part(Nesting.LEAF, Encoding.IDENTITY, place, place, place, 0)


def multipart(place: int, *children: Part) -> Part:
    return Part(Nesting.MULTIPART, Encoding.IDENTITY, place, place, place, 0, children)


def message(place: int, inside: Part) -> Part:
    return Part(Nesting.MESSAGE, Encoding.IDENTITY, place, place, place, 0, (inside,))


EXAMPLE = multipart(
    0,
    leaf(1),
    leaf(2),
    message(3, multipart(30, leaf(31), leaf(32))),
    multipart(4, leaf(41), message(42, multipart(420, leaf(421), multipart(422, leaf(4221), leaf(4222))))),
)
"""The message of RFC 9051 section 6.4.5.1; each part begins at the digits of its number."""


@pytest.mark.parametrize(
    "number",
    ["1", "2", "3", "3.1", "3.2", "4", "4.1", "4.2", "4.2.1", "4.2.2", "4.2.2.1", "4.2.2.2"],
)
def test_example(number: str) -> None:
    """The numbers of the RFC's own example."""
    found = find(EXAMPLE, number)

    assert found is not None
    assert found.begin == int(number.replace(".", ""))
    assert (found.message is not None) == (number in ("3", "4.2"))
    if found.message is not None:
        assert found.message.begin == found.begin * 10


@pytest.mark.parametrize(
    "number",
    [
        *("0", "5", "-1", "+1", "1.", ".1", "1..1", "1.1", "3.0", "3.3", "3.1.1", "4.2.2.3", "x", " 1", "1 "),
        *("1_0", "\u0661", "\u00b2", "99999999999999999999", "9" * 5000, "4.2.2.1.1"),
    ],
)
def test_no_such_part(number: str) -> None:
    """What isn't there, or is no number, isn't found."""
    assert find(EXAMPLE, number) is None


def test_leading_zero() -> None:
    """A number doesn't begin with 0 (RFC 9051 section 9, nz-number)."""
    assert find(EXAMPLE, "01") is None


def test_whole_message() -> None:
    """No number is the whole message."""
    assert find(EXAMPLE, "") is EXAMPLE


def test_message_of_one_part() -> None:
    """A message that isn't multipart is its own part 1, and has no other."""
    whole = leaf(0)

    assert find(whole, "1") is whole
    assert find(whole, "2") is None
    assert find(whole, "1.1") is None


def test_message_in_a_message() -> None:
    """Where a message is all there is in a message, 1 is it, 1.1 what is in it."""
    text = leaf(3)
    inner = message(2, text)
    outer = message(1, inner)

    assert find(outer, "1") is outer
    assert find(outer, "1.1") is inner
    assert find(outer, "1.1.1") is text
    assert find(outer, "1.1.1.1") is None
    assert find(outer, "1.2") is None


def test_deep() -> None:
    """A tree as deep as any message may be is read."""
    tree = leaf(0)
    for _ in range(100):
        tree = message(0, tree)

    assert read_parts(pack(tree)) == tree
