"""Regular expressions that take time in proportion to the text, whatever somebody writes in a header.

Python's own look for a match by trying one way after another, and a text that
was made for it keeps them busy for years.  These follow all ways at once, and
remember where that leads: each letter costs a look in a table, or at most one
walk through the program.
"""

from __future__ import annotations

from typing import Final

from twistedmail_mta.policy.pattern_program import Step, is_word
from twistedmail_mta.policy.pattern_syntax import compiled

_MOST_STATES: Final = 500
_MOST_LOOKS: Final = 20_000
"""States, and letters that lead from one to the next, that are remembered at once."""

_MOST_WALKED: Final = 1_000_000
"""Steps of all walks for one text."""


class TooHardError(Exception):
    """A text takes too long to look at."""


class _State(dict[str, "_State | None"]):
    """Where all ways have led to: the next states by letter, those that were seen; None: the text matches.

    Attributes:
        ways: the steps at which ways go on.
        before: the letter before, as far as it counts: "" at the start, "w" for one of a word, "-" for any other.
        end: whether the text matches if it ends here; None until that was asked.
    """

    __slots__ = ("before", "end", "ways")

    def __init__(self, ways: frozenset[int], before: str) -> None:
        self.ways = ways
        self.before = before
        self.end: bool | None = None


class Pattern:
    """A regular expression; may be used on several threads."""

    def __init__(self, text: str, *, folded: bool = True) -> None:
        """Read an expression; see `pattern_syntax.compiled`.

        Raises:
            ValueError: it is none.
        """
        self.text = text
        self._program: tuple[Step, ...] = compiled(text, folded=folded)
        self._start = _State(frozenset({0}), "")
        self._states: dict[tuple[frozenset[int], str], _State] = {}
        self._looks = 0

    def found_in(self, text: str) -> bool:
        """Return whether there is a match somewhere in a text.

        Raises:
            TooHardError: it takes too long.
        """
        state, walked = self._start, 0
        for letter in text:
            try:
                following = state[letter]
            except KeyError:
                following = self._followed(state, letter)
                walked += len(self._program)
                if walked > _MOST_WALKED:
                    raise TooHardError(f"{self.text} takes too long for a text of {len(text)} letters") from None
            if following is None:
                return True
            state = following
        if state.end is None:
            state.end = self._reached(state, "") is None
        return state.end

    def _followed(self, state: _State, letter: str) -> _State | None:
        """Return where all ways lead with a letter, and remember it."""
        reached = self._reached(state, letter)
        following = None
        if reached is not None:
            ways = {at + 1 for at in reached if self._has(at, letter)}
            following = self._state(frozenset(ways | {0}), "w" if is_word(letter) else "-")
        state[letter] = following
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            self._forget()
        return following

    def _has(self, at: int, letter: str) -> bool:
        letters = self._program[at].letters
        return letters is not None and letters.has(letter)

    def _state(self, ways: frozenset[int], before: str) -> _State:
        key = (ways, before)
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= _MOST_STATES:
                self._forget()
            state = self._states[key] = _State(ways, before)
        return state

    def _forget(self) -> None:
        self._states, self._looks = {}, 0
        self._start = _State(frozenset({0}), "")

    def _reached(self, state: _State, letter: str) -> set[int] | None:
        """Return the steps that wait for a letter; None if the end of the program is among them.

        Args:
            state: where all ways are.
            letter: what follows; "" at the end of the text.
        """
        word, before = bool(letter) and is_word(letter), state.before
        holds = {
            "start": before == "",
            "end": not letter,
            "edge": (before == "w") != word,
            "inside": (before == "w") == word,
        }
        waiting: set[int] = set()
        seen = set(state.ways)
        open_ways = list(seen)
        while open_ways:
            at = open_ways.pop()
            step = self._program[at]
            if step.letters is not None:
                waiting.add(at)
                continue
            if step.ways is None and step.place is None:
                return None
            following = step.ways if step.ways is not None else ((at + 1,) if holds[str(step.place)] else ())
            fresh = [each for each in following if each not in seen]
            seen.update(fresh)
            open_ways += fresh
        return waiting
