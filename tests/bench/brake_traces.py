"""Plays the second set of traces to the brake, for many seeds, and prints what happened as a table.

PYTHONPATH=tests/policy python tests/bench/brake_traces.py SEEDS [FIRST] [KIND OR RUN ...]
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable

from hijack_traces import RUNS
from honest_traces import HONEST
from trace_replay import VICTIMS, hijacked, honest, runs_against


def main(seeds: range, kinds: Iterable[str]) -> None:
    """Print both tables."""
    print("| honest | seeds | stopped |\n|---|---|---|")
    for kind in (each for each in HONEST if each in kinds):
        print(f"| {kind} | {len(seeds)} | {sum(honest(kind, seed).why is not None for seed in seeds)} |", flush=True)
    reached: dict[str, list[int]] = defaultdict(list)
    for victim in VICTIMS:
        runs = [each for each in runs_against(victim) if each in kinds]
        for seed in seeds if runs else ():
            for name, ended in (hijacked(victim, seed, runs) or {}).items():
                reached[name].append(ended.strangers)
    print("\n| run | played | most strangers | 50 and more |\n|---|---|---|---|")
    for name, numbers in reached.items():
        print(f"| {name} | {len(numbers)} | {max(numbers)} | {sum(each >= 50 for each in numbers)} |")


if __name__ == "__main__":
    number, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    main(range(first, first + number), sys.argv[3:] or {*HONEST, *RUNS})
