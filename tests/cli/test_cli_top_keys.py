"""Keys, cut anywhere by a slow line."""

from __future__ import annotations

import pytest

from twistedmail_mta.cli.top_keys import Keys

TYPED = b"s\x1b[A\x1bOB\x1b[5~ \x1b[1;5Cx\x1b[Zq"
MEANT = ["next", "up", "down", "page up", "pause", "previous", "quit"]


def test_keys() -> None:
    """Arrows in both modes of terminals, page keys, letters; what isn't known is left out as a whole."""
    assert Keys().receive(TYPED) == MEANT


@pytest.mark.parametrize("first", range(len(TYPED)))
@pytest.mark.parametrize("second", [1, 3])
def test_any_cut(first: int, second: int) -> None:
    """Over ssh the octets of one key may come apart."""
    keys = Keys()
    parts = TYPED[:first], TYPED[first : first + second], TYPED[first + second :]

    assert [key for part in parts for key in keys.receive(part)] == MEANT


def test_octet_by_octet() -> None:
    """However slow the line is."""
    keys = Keys()

    assert [key for octet in TYPED for key in keys.receive(bytes([octet]))] == MEANT


def test_a_sequence_without_end() -> None:
    """What begins a sequence and never ends it is given up; nothing is kept of it beyond a few octets."""
    keys = Keys()

    assert keys.receive(b"\x1b[" + b"1" * 1000) == []
    assert len(keys._held) == 0
    assert keys.receive(b"q") == ["quit"]


def test_escape_alone() -> None:
    """It isn't known what it begins; a letter behind it is that letter."""
    keys = Keys()

    assert keys.receive(b"\x1b") == []
    assert keys.receive(b"q") == ["quit"]
