"""The brake on a second set of traces, made without a look at its numbers.

A few seeds of each; `tests/bench/brake_traces.py` plays as many as one likes,
and what it measured is in docs/policies.md.
"""

from __future__ import annotations

import pytest
from trace_replay import VICTIMS, hijacked, honest, runs_against

SEEDS = range(2)
CALM = ("newsletter", "shop", "holiday", "office", "forum", "club", "scanner", "mailing_list", "seldom", "moved_office")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", CALM)
def test_honest_senders_are_not_stopped(kind: str, seed: int) -> None:
    """For weeks in which the brake looks on, and more in which it would stop them."""
    assert honest(kind, seed).why is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_spam_is_stopped(victim: str, seed: int) -> None:
    """While the owner goes on to send; a house's own people aren't strangers, nor whom the owner knows."""
    ended = hijacked(victim, seed, runs_against(victim))

    assert ended is not None
    assert {name: each for name, each in ended.items() if each.why is None} == {}
    assert max(each.strangers for each in ended.values()) < 50
