"""Times and sizes with a unit, as people write them in the site file (PURE)."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_OCTETS: Final = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_RATE = re.compile(r"(\d{1,9})\s*/\s*([smhd])", re.ASCII)
_AMOUNT = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]+)", re.ASCII)


def parse_duration(text: object) -> float:
    """Return the seconds that text such as "5m", "1.5h" or "4d" means.

    Raises:
        ValueError: it is no number with a unit.
    """
    amount, factor = _split(text, _SECONDS, 'a time with its unit, such as "30s", "5m", "4h" or "2d"')
    return amount * factor


def parse_size(text: object) -> int:
    """Return the octets that text such as "50MB" means; 1 KB is 1,024 octets.

    Raises:
        ValueError: it is no number with a unit.
    """
    amount, factor = _split(text, _OCTETS, 'a size with its unit, such as "64KB" or "50MB"')
    return int(amount * factor)


def parse_rate(text: object) -> float:
    """Return the seconds between two events that text such as "100/m" or "2/s" means.

    Raises:
        ValueError: it is no number of events in a time.
    """
    match = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not int(match[1]):
        raise ValueError('must be a number in a time, such as "10/s", "100/m" or "5000/h", in quotes')
    return _SECONDS[match[2]] / int(match[1])


def format_size(octets: int) -> str:
    """Return a size as people read it: "17 B", "4.1 KB", "50.0 MB"."""
    amount, unit = float(octets), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{octets} B" if unit == "B" else f"{amount:.1f} {unit}"


def written_duration(seconds: float) -> str:
    """Return a time as people write it, in the largest unit that needs no fraction: "90s", "5m", "5d"."""
    for unit in ("d", "h", "m", "s", "ms"):
        amount = round(seconds / _SECONDS[unit], 6)
        if amount >= 1 and amount.is_integer():
            return f"{int(amount)}{unit}"
    return f"{seconds:g}s"


def written_size(octets: int) -> str:
    """Return a size as people write it in the site file: "1500B", "50MB"."""
    for unit in ("TB", "GB", "MB", "KB"):
        if octets and not octets % _OCTETS[unit]:
            return f"{octets // _OCTETS[unit]}{unit}"
    return f"{octets}B"


def _split(text: object, units: dict[str, float] | dict[str, int], wanted: str) -> tuple[float, float]:
    match = _AMOUNT.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise ValueError(f"must be {wanted}, in quotes")
    return float(match[1]), units[match[2]]
