"""Times as operators write them."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from twistedmail_mta.cli.times import parse_coming, parse_time


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("2031-11-30", (2031, 11, 30, 0, 0, 0)),
        ("2031-11-30 14:05", (2031, 11, 30, 14, 5, 0)),
        ("2031-11-30T14:05:06", (2031, 11, 30, 14, 5, 6)),
    ],
)
def test_local_times(text: str, parts: tuple[int, ...]) -> None:
    """Without a zone they are local."""
    assert parse_time(text) == parse_coming(text) == time.mktime((*parts, 0, 0, -1))


def test_a_zone() -> None:
    """It counts."""
    assert parse_time("2031-11-30T14:05:06+0200") == datetime.fromisoformat("2031-11-30T12:05:06+00:00").timestamp()


def test_durations() -> None:
    """Into the past, or the future."""
    before = time.time()
    past, coming = parse_time("2h"), parse_coming("90s")
    after = time.time()

    assert before - 7200 <= past <= after - 7200
    assert before + 90 <= coming <= after + 90


def test_of_the_day() -> None:
    """Today's; of what is to come tomorrow's if it is over."""
    now = datetime.now().astimezone()
    minute = now.replace(second=0, microsecond=0)
    text = f"{minute:%H:%M}"

    assert parse_time(text) in {minute.timestamp(), (minute - timedelta(days=1)).timestamp()}
    assert parse_coming(text) > now.timestamp()
    assert parse_coming(text) - now.timestamp() <= 25 * 3600


@pytest.mark.parametrize("text", ["soon", "25:00", "2031-13-01", "", "2h ago"])
def test_no_times(text: str) -> None:
    """It is said what would be one."""
    with pytest.raises(ValueError, match="must be how long ago"):
        parse_time(text)
    with pytest.raises(ValueError, match="must be in how long"):
        parse_coming(text)
