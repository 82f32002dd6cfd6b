"""Verdicts as fields of a header: they say what was found, and nothing that a scanner writes can break them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repute_kit import stranger
from scanner_kit import headers_of, logged_in, removed_by

from twistedmail_mta.mail.header import Header
from twistedmail_mta.policy.verdict import Verdict, added, field_value, filed, tags
from twistedmail_mta.soundness import is_sound
from twistedmail_mta.stages import AddHeader, FileInto


def field_line(name: str, value: str) -> bytes:
    return f"{name}: {value}\r\n".encode()


SPAM = Verdict(True, 7.126, 5.0, ("ONE", "TWO"))


def test_spam() -> None:
    """Flag, score, and status in SpamAssassin's manner."""
    assert headers_of(tags(SPAM, stranger())) == {
        "X-Spam-Score": "7.13",
        "X-Spam-Status": "Yes, score=7.13 required=5.00\r\n\ttests=ONE,TWO",
        "X-Spam-Flag": "YES",
    }


def test_ham() -> None:
    """No flag; no tests are none."""
    assert headers_of(tags(Verdict(False, -1.0, 5.0), stranger())) == {
        "X-Spam-Score": "-1.00",
        "X-Spam-Status": "No, score=-1.00 required=5.00\r\n\ttests=none",
    }


def test_foreign_fields_go_first() -> None:
    """A stranger's; an account's own mail keeps what it has."""
    changes = tags(SPAM, stranger(), "X-Site")
    assert {"X-Site", "X-Site-Flag", "X-Site-Score", "X-Site-Status"} <= removed_by(changes)
    kinds = [isinstance(each, AddHeader) for each in changes]
    assert kinds == sorted(kinds)

    assert removed_by(tags(SPAM, logged_in())) == set()


def test_filing() -> None:
    assert filed(into_junk=True) == (FileInto("Junk"),)
    assert filed(into_junk=False) == ()


@given(st.lists(st.text(max_size=100), max_size=150), st.floats(-1e6, 1e6))
def test_statuses_are_fields(tests: list[str], score: float) -> None:
    """Whatever the rules are called: lines fit, and nothing else begins in them."""
    changes = tags(Verdict(True, score, 5.0, tests), stranger())
    assert all(map(is_sound, changes))
    for name, value in headers_of(changes).items():
        header = Header(field_line(name, value) + b"\r\n")
        assert header.count(name.encode()) == 1
        assert all(len(line) <= 998 for line in header.block.split(b"\r\n"))


@given(st.text(max_size=3000))
def test_what_scanners_write_becomes_one_field(text: str) -> None:
    """Of printable ASCII, in lines that RFC 5322 section 2.1.1 allows."""
    value = field_value(text)
    assert is_sound(AddHeader("X-Any", value))
    header = Header(field_line("X-Any", value) + b"Next: 1\r\n\r\n")
    assert header.get(b"Next") == b"1"
    assert header.is_ascii
    assert all(len(line) <= 998 for line in header.block.split(b"\r\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("v=1;\r\n\tb=abc", "v=1;\r\n\tb=abc"),
        ("one\ntwo", "one\r\n\ttwo"),
        ("x\r\n\r\nBody: 1", "x\r\n\tBody: 1"),
        ("nul\0", "nul"),
        ("", ""),
        ("gr\u00fcn", "=?utf-8?b?Z3LDvG4=?="),
    ],
)
def test_values(text: str, expected: str) -> None:
    assert field_value(text) == expected


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nY", "\u00dc", "X" * 77])
def test_no_names(name: str) -> None:
    assert list(added(name, "value")) == []


def test_large_values_are_cut() -> None:
    assert len(field_value("x" * 100_000)) < 1000
    assert len(re.findall("x", field_value("x\n" * 100_000))) < 8000
