"""Programs of regular expressions: every step looks at one letter, so that none needs to go back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

MOST_STEPS: Final = 500
"""Steps of a program."""

Place = Literal["start", "end", "edge", "inside"]


@dataclass(frozen=True, slots=True)
class Letters:
    r"""A set of letters.

    Attributes:
        ranges: first and last letter of each part.
        kinds: those of \d, \w and \s that belong to it; in upper case their opposites.
        inverted: it is all the others.
        folded: upper and lower case count as one.
    """

    ranges: tuple[tuple[str, str], ...] = ()
    kinds: str = ""
    inverted: bool = False
    folded: bool = True

    def has(self, letter: str) -> bool:
        """Return whether a letter belongs to the set."""
        forms = {letter, letter.lower(), letter.upper()} if self.folded else {letter}
        return any(self._has(form) for form in forms if len(form) == 1) != self.inverted

    def _has(self, letter: str) -> bool:
        return any(first <= letter <= last for first, last in self.ranges) or any(
            _IS[kind.lower()](letter) != kind.isupper() for kind in self.kinds
        )


def is_word(letter: str) -> bool:
    r"""Return whether a letter is of a word: what \w stands for."""
    return letter.isalnum() or letter == "_"


_IS: Final[dict[str, Callable[[str], bool]]] = {"d": str.isdecimal, "w": is_word, "s": str.isspace}


@dataclass(slots=True)
class Step:
    """One step of a program.

    Attributes:
        letters: goes on to the next step if the letter is one of these.
        place: goes on, without a letter, if this is such a place.
        ways: goes on, without a letter, at each of these steps.

    With none of them it is the end: the text matches.
    """

    letters: Letters | None = None
    place: Place | None = None
    ways: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    """Parts that follow one another."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Parts of which one is there."""

    ways: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part that comes a number of times; without a `most` any number."""

    node: Node
    least: int
    most: int | None


Node = Letters | Sequence | Choice | Repeat | Place


def program_of(node: Node) -> tuple[Step, ...]:
    """Return the steps that look for a part of an expression, and the end behind them.

    Raises:
        ValueError: they are too many.
    """
    program: list[Step] = []
    _write(node, program)
    program.append(Step())
    return tuple(program)


def _write(node: Node, program: list[Step]) -> None:
    """Put the steps of a part of an expression behind those there are."""
    if len(program) >= MOST_STEPS:
        raise ValueError("is too large: its counts need too many steps")
    match node:
        case Letters():
            program.append(Step(letters=node))
        case Sequence(parts):
            for part in parts:
                _write(part, program)
        case Choice(ways):
            _write_choice(ways, program)
        case Repeat(repeated, least, most):
            for _ in range(least):
                before = len(program)
                _write(repeated, program)
                if len(program) == before:
                    break  # nothing, however often
            _write_rest(repeated, None if most is None else most - least, program)
        case place:
            program.append(Step(place=place))


def _write_choice(ways: tuple[Node, ...], program: list[Step]) -> None:
    fork = _reserved(program)
    begins, ends = [], []
    for way in ways:
        begins.append(len(program))
        _write(way, program)
        ends.append(_reserved(program))
    program[fork].ways = tuple(begins)
    for end in ends:
        program[end].ways = (len(program),)


def _write_rest(node: Node, times: int | None, program: list[Step]) -> None:
    """Write a part that may come so many times, or any number of times."""
    if times is None:
        fork = _reserved(program)
        _write(node, program)
        program.append(Step(ways=(fork,)))
        program[fork].ways = (fork + 1, len(program))
        return
    forks = []
    for _ in range(times):
        forks.append(_reserved(program))
        _write(node, program)
    for fork in forks:
        program[fork].ways = (fork + 1, len(program))


def _reserved(program: list[Step]) -> int:
    program.append(Step(ways=()))
    return len(program) - 1
