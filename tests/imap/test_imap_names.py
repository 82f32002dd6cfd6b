"""Mailbox names and LIST patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.imap.names import (
    LONGEST_PATTERN,
    decode_name,
    encode_name,
    fold_inbox,
    parents,
    read_patterns,
)

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WILD = st.text("ab/*%", max_size=12)


@pytest.mark.parametrize(
    ("octets", "utf8", "name"),
    [
        (b"Entw&APw-rfe", False, "Entwürfe"),
        (b"Entw&APw-rfe", True, "Entw&APw-rfe"),
        ("Entwürfe".encode(), True, "Entwürfe"),
        (b"inbox", False, "INBOX"),
        (b"iNbOx/Sub", True, "INBOX/Sub"),
        (b"inboxes", False, "inboxes"),
        ("\u0131nbox".encode(), True, "\u0131nbox"),
        (b"", False, ""),
    ],
)
def test_names_are_read(octets: bytes, utf8: bool, name: str) -> None:
    """In the way that was enabled, and INBOX in any case; a dotless i makes none."""
    assert decode_name(octets, utf8=utf8) == name


@pytest.mark.parametrize(
    ("octets", "utf8"), [(b"\xff", True), (b"\xc3\xbc", False), (b"a&b", False), (b"&2D0-", False)]
)
def test_what_is_no_name(octets: bytes, utf8: bool) -> None:
    """Octets of another encoding, a broken shift."""
    with pytest.raises(ValueError, match="the name isn't"):
        decode_name(octets, utf8=utf8)


@given(ANY_TEXT, st.booleans())
@settings(derandomize=True, max_examples=200)
def test_names_come_back(name: str, utf8: bool) -> None:
    """Whatever it is written in; but for the case of INBOX."""
    octets = encode_name(name, utf8=utf8)

    assert decode_name(octets, utf8=utf8) == fold_inbox(name)
    assert utf8 or octets.isascii()


@given(st.binary(max_size=30), st.booleans())
@settings(derandomize=True, max_examples=300)
def test_any_octets_are_a_name_or_none(octets: bytes, utf8: bool) -> None:
    """Never anything but a name that can be written again, or a ValueError."""
    try:
        name = decode_name(octets, utf8=utf8)
    except ValueError:
        return
    assert decode_name(encode_name(name, utf8=utf8), utf8=utf8) == name


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "a/b", True),
        ("%", "a/b", False),
        ("%", "ab", True),
        ("%/%", "a/b", True),
        ("a%", "a", True),
        ("a*b", "a/x/b", True),
        ("a*b", "a/x/c", False),
        ("", "", True),
        ("", "a", False),
        ("inbox", "INBOX", True),
        ("In%", "INBOX", True),
        ("inbox/x", "INBOX/x", True),
        ("inbox/x", "INBOX/X", False),
        ("Archive", "archive", False),
        ("a.b", "axb", False),
    ],
)
def test_patterns(pattern: str, name: str, matches: bool) -> None:
    """Wildcards, levels, and INBOX in any case."""
    assert read_patterns((pattern,)).matches(name) is matches


@given(WILD, st.text("ab/", max_size=12))
@settings(derandomize=True, max_examples=600)
def test_patterns_agree_with_expressions(pattern: str, name: str) -> None:
    """The same answer as a regular expression gives."""
    words = {"*": ".*", "%": "[^/]*"}
    oracle = "".join(words.get(character, re.escape(character)) for character in pattern)

    assert read_patterns((pattern,)).matches(name) is (re.fullmatch(oracle, name) is not None)


@given(st.lists(WILD, max_size=4), st.text("ab/", max_size=12))
@settings(derandomize=True, max_examples=600)
def test_several_patterns_are_as_each_of_them(texts: list[str], name: str) -> None:
    """Together they stand for what any of them stands for, also above a name."""
    together, each = read_patterns(texts), [read_patterns((text,)) for text in texts]

    assert together.matches(name) is any(pattern.matches(name) for pattern in each)
    ends = {end for pattern in each for end in pattern.matching_parents(name)}
    assert list(together.matching_parents(name)) == sorted(ends)


def test_too_long_patterns_do_not_hide_others() -> None:
    """Only those that can match nothing are left out."""
    assert read_patterns(("b" * LONGEST_PATTERN + "b*", "a%")).matches("ab")


def test_hostile_patterns_cost_little() -> None:
    """What takes an expression longer than anybody waits is said at once."""
    assert not read_patterns(("*a%" * 300 + "b",)).matches("a" * 1000)
    assert read_patterns(("%*" * 100_000,)).matches("a/" * 500)


def test_long_patterns_match_nothing() -> None:
    """What is longer than any name needs no places kept."""
    assert read_patterns(("a" * LONGEST_PATTERN,)).matches("a" * LONGEST_PATTERN)
    assert not read_patterns(("a" * LONGEST_PATTERN + "b*",)).matches("a" * LONGEST_PATTERN)
    assert not read_patterns(("a" * LONGEST_PATTERN + "b",)).matches("")


def test_parents() -> None:
    """From the top."""
    assert list(parents("a/b/c")) == ["a", "a/b"]
    assert list(parents("a")) == []
