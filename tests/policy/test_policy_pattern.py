"""Expressions in linear time: they find what Python's own find, and nothing keeps them busy."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from twistedmail_mta.policy import pattern
from twistedmail_mta.policy.pattern import Pattern, TooHardError

LETTERS = "abB1 _-.\n\u00e9"


def atoms() -> st.SearchStrategy[str]:
    plain = st.sampled_from(["a", "b", "B", "1", " ", "_", "-", r"\.", r"\n", "\u00e9", r"\x61"])
    kinds = st.sampled_from([".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "^", "$", r"\b", r"\B"])
    sets = st.sampled_from(["[ab]", "[^ab]", "[a-b1]", r"[\d_]", r"[^\w]", "[]a]", "[^]a]", "[a-]", r"[\]\-]", "[b-]"])
    return st.one_of(plain, kinds, sets)


def longer(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    counts = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "{,2}", "*?", "+?", "??", "{0}", "{1,2}?"])
    grouped = inner.map(lambda each: f"(?:{each})")
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(grouped, st.just("|"), grouped).map("".join).map(lambda each: f"({each})"),
        st.tuples(grouped, counts).map("".join),
    )


PATTERNS = st.recursive(atoms(), longer, max_leaves=8)


@settings(max_examples=600)
@given(PATTERNS, st.text(LETTERS, max_size=12), st.booleans())
@example("(?:(?:a|b)*b){2,}$", "abab", True)
@example(r"(?:^|\b)(?:)a", " a", False)
def test_they_find_what_python_finds(text: str, searched: str, folded: bool) -> None:
    """In every text, also when it was looked at before."""
    if "$" in text:
        searched = searched.replace("\n", " ")  # Python's $ is also before a line end at the end
    assume(searched or "\\B" not in text)  # Python's finds nothing there before 3.14
    expected = re.search(text, searched, re.IGNORECASE if folded else 0) is not None
    found = Pattern(text, folded=folded)
    assert found.found_in(searched) == expected
    assert found.found_in(searched) == expected


@pytest.mark.parametrize(
    "text",
    [
        "(", ")", "a)", "(a", "[", "[a", "[b-a]", "*", "+a", "a**", "a{2}{3}", "a{3,2}", "a{201}", "a{", "a{x}", "a{,}",
        "\\", r"\1", r"\z", r"\xg1", r"\x1", "(?=a)", "(?!a)", "(?<=a)", "(?P<n>a)", "(?i)a", "[\\d-a]x(", "(" * 60,
        "(?:a{100}){100}", "a" * 1001,
    ],
)  # fmt: skip
def test_what_is_no_expression(text: str) -> None:
    """Or can't be had in linear time: it is refused with the reason."""
    if text == "a{,}":
        assert Pattern(text).found_in("")
        return
    with pytest.raises(ValueError, match=r"."):
        Pattern(text)


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("(a+)+$", "a" * 4000 + "!"),
        ("(a|aa)+$", "a" * 4000 + "!"),
        ("(.*)*x$", "y" * 4000),
        (".*a.*b.*c.*d.*e$", "abcd" * 1000),
        ("(x+x+)+y", "x" * 4000),
    ],
)
def test_what_keeps_others_busy(text: str, searched: str) -> None:
    """Is a walk or a few, and a look for each letter."""
    found = Pattern(text)
    walks = []
    walk = found._reached
    found._reached = lambda *values: walks.append(1) or walk(*values)  # type: ignore[func-returns-value,method-assign]

    assert not found.found_in(searched)
    assert len(walks) < 100


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An expression can have more states than fit; it finds the same without them."""
    monkeypatch.setattr(pattern, "_MOST_STATES", 20)
    found = Pattern("a.{12}b")
    text = "".join("ab"[number.bit_count() % 2] for number in range(500))
    assert found.found_in(text) == (re.search("a.{12}b", text) is not None)
    assert not found.found_in("a" * 100 + "c" * 500)
    assert len(found._states) <= 20

    monkeypatch.setattr(pattern, "_MOST_LOOKS", 50)
    found.found_in("".join(map(chr, range(0x100, 0x400))))
    assert sum(map(len, found._states.values())) <= 50


def test_too_hard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that needs too many walks isn't looked at to its end."""
    monkeypatch.setattr(pattern, "_MOST_WALKED", 500)
    found = Pattern("a.{12}b")
    with pytest.raises(TooHardError):
        found.found_in("".join(Random(7).choices("ac", k=500)))
