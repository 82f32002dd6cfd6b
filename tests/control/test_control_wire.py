"""Lines of JSON, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.control.wire import MAX_LINE, Lines, WireError, decode, encode

JSON = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()))


@settings(max_examples=60, derandomize=True)
@given(st.lists(JSON, max_size=4), st.integers(1, 40))
def test_objects_survive_any_cut(values: list[dict[str, object]], size: int) -> None:
    """What was encoded comes back, in order, in whatever pieces it arrives."""
    stream = b"".join(encode(value) for value in values)
    lines, got = Lines(), []

    for at in range(0, len(stream), size):
        got += lines.receive(stream[at : at + size])

    assert [decode(line) for line in got] == values


def test_line_without_end_is_bounded() -> None:
    """A peer that never ends its line is told so once it passes the limit."""
    lines = Lines()
    lines.receive(b"x" * MAX_LINE)

    with pytest.raises(WireError):
        lines.receive(b"x")


@pytest.mark.parametrize("line", [b"", b"nonsense", b"[]", b"3", b"\xff", b"[" * 100_000])
def test_what_is_no_object(line: bytes) -> None:
    """Anything but a JSON object is an error of the wire."""
    with pytest.raises(WireError):
        decode(line)
