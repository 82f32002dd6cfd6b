"""Long work cut into turns: generators that yield when others may go on, and return what came of it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

T = TypeVar("T")
Turns = Generator[None, None, T]
"""Yields every millisecond or so."""

STEPS: Final = 1000
"""Small steps, of a microsecond or so, between two turns."""


def list_in_turns(values: Iterable[T]) -> Turns[list[T]]:
    """Return all values, which take some work each."""
    following = iter(values)
    found: list[T] = []
    while some := list(islice(following, STEPS)):
        found += some
        yield
    return found


def sort_in_turns(values: Sequence[T], key: Callable[[T], Any], *, reverse: bool = False) -> Turns[list[T]]:
    """Sort as `sorted` does, which would keep the interpreter to itself."""
    runs = []
    for start in range(0, len(values), STEPS):
        runs.append(sorted(values[start : start + STEPS], key=key, reverse=reverse))
        yield
    if len(runs) < 2:
        return runs[0] if runs else []
    merged = heapq.merge(*runs, key=key, reverse=reverse)
    found: list[T] = []
    while some := list(islice(merged, STEPS // 2)):
        found += some
        yield
    return found
