"""Times and sizes as people write them."""

from __future__ import annotations

import pytest

from twistedmail_mta.config.units import format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300.0), ("1.5h", 5400.0), ("250ms", 0.25), (" 2 d ", 172800.0), ("0s", 0.0), ("1w", 604800.0)],
)
def test_durations(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "octets"), [("50MB", 52428800), ("1.5KB", 1536), ("17B", 17), ("2 GB", 2147483648)])
def test_sizes(text: str, octets: int) -> None:
    """1 KB is 1,024 octets."""
    assert parse_size(text) == octets


@pytest.mark.parametrize(
    "text", ["5", "m", "", "-5m", "5 minutes", "5M", "1e3s", "\u0665m", 5, 5.0, None, True, ["5m"]]
)
def test_no_duration(text: object) -> None:
    """Without a unit, or with one that isn't exact, nothing is guessed."""
    with pytest.raises(ValueError, match="must be a time with its unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["50", "50mb", "50 M", "MB", 50, True])
def test_no_size(text: object) -> None:
    """As for times."""
    with pytest.raises(ValueError, match="must be a size with its unit"):
        parse_size(text)


@pytest.mark.parametrize(("octets", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (52428800, "50.0 MB")])
def test_sizes_for_people(octets: int, text: str) -> None:
    """What lists show."""
    assert format_size(octets) == text
