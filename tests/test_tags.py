"""What can be noted about a message, and how it is kept and read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.tags import NO_TAGS, is_tag, mapping_of, packed, tags_text, unpacked

NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
VALUES = st.text(max_size=200).filter(lambda value: is_tag("x", value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("a b", "x"),
        ("a=b", "x"),
        ("é", "x"),
        ("a" * 65, "x"),
        (None, "x"),
        ("a\n", "x"),
        ("a", "x" * 201),
        ("a", "x\ny"),
        ("a", "\x00"),
        ("a", "\x85"),
        ("a", "\u2028"),
        ("a", "\ud800"),
        ("a", 1),
    ],
)
def test_what_is_no_tag(name: Any, value: Any) -> None:
    """Nothing that could break a line of the log, or fill the queue."""
    assert not is_tag(name, value)


def test_what_is_one() -> None:
    """Up to both bounds, in any script."""
    assert is_tag("a" * 64, "Ж" * 200)
    assert is_tag("X-Spam.score_1", "")


@given(st.dictionaries(NAMES, VALUES, max_size=20))
def test_they_are_kept(noted: dict[str, str]) -> None:
    """In their order; most messages have none, and cost nothing."""
    tags = tuple(noted.items())

    assert unpacked(packed(tags)) == tags
    assert mapping_of(tags) == noted
    assert "\n" not in tags_text(tags)


def test_none() -> None:
    """As a message has them that nobody noted anything about."""
    assert packed(()) is None
    assert unpacked(None) == ()
    assert mapping_of(()) is NO_TAGS
    with pytest.raises(TypeError):
        mapping_of((("a", "b"),))["c"] = "d"  # type: ignore[index]


def test_how_people_read_them() -> None:
    """Values that could be taken for several are quoted."""
    assert tags_text((("score", "7.1"), ("list", "the news"), ("none", ""))) == 'score=7.1 list="the news" none=""'
