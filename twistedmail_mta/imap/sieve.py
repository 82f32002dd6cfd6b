"""Which messages a search finds, as its keys are answered one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.imap.masks import all_of, mask_of, number_of
from twistedmail_mta.imap.search_key import And, Key, Not, Or

_NOT: Final = -1
_OR: Final = -2
_AND: Final = -3

Answer = tuple[int, int]
"""Masks as numbers: the messages of which it is certain that they are found, and those that may be."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A search, taken apart.

    Attributes:
        leaves: the keys it is made of, each once, without those that only put others together.
        steps: how they are put together, operators behind what they belong to:
            a place in `leaves`, or one of the negative numbers.
    """

    leaves: tuple[Key, ...]
    steps: tuple[int, ...]


def plan(key: Key) -> Plan:
    """Take a search apart."""
    places: dict[Key, int] = {}
    steps: list[int] = []
    waiting: list[Key | int] = [key]
    while waiting:
        match waiting.pop():
            case int() as operator:
                steps.append(operator)
            case Not(inner):
                waiting += (_NOT, inner)
            case Or(first, second):
                waiting += (_OR, first, second)
            case And(keys):
                waiting += [_AND] * (len(keys) - 1)
                waiting += keys
            case leaf:
                steps.append(places.setdefault(leaf, len(places)))
    return Plan(tuple(places), tuple(steps))


class Sieve:
    """A search among some messages: each is found, isn't found, or isn't decided yet.

    Attributes:
        plan: the search.
        count: of the messages.
    """

    __slots__ = ("_answers", "_gone", "_maybe", "_whole", "_yes", "count", "plan")

    def __init__(self, plan: Plan, count: int) -> None:
        """Begin; nothing is known."""
        self.plan = plan
        self.count = count
        self._whole = all_of(count)
        self._gone = 0
        self._answers: list[Answer] = [(0, self._whole)] * len(plan.leaves)
        self._yes, self._maybe = 0, self._whole

    @property
    def found(self) -> bytes:
        """The mask of the messages that are found for certain."""
        return mask_of(self._yes, self.count)

    @property
    def undecided(self) -> bytes:
        """The mask of the messages about which more has to be known."""
        return mask_of(self._maybe ^ self._yes, self.count)

    @property
    def decided(self) -> bool:
        """Whether nothing more has to be known."""
        return self._maybe == self._yes

    def unknown(self) -> list[int]:
        """Return the places of the keys that not all messages were asked about."""
        return [leaf for leaf, (yes, maybe) in enumerate(self._answers) if yes != maybe]

    def know(self, masks: Mapping[int, bytes]) -> None:
        """Take what keys, by their place in the plan, say of all messages."""
        for leaf, mask in masks.items():
            self._answers[leaf] = (number_of(mask),) * 2
        self._judge()

    def learn(self, leaf: int, yes: bytes, where: bytes) -> None:
        """Take what a key says of some messages.

        Args:
            leaf: the key's place in the plan.
            yes: the mask of the messages it finds.
            where: of those it was asked of.
        """
        found, others = number_of(yes), self._whole ^ number_of(where)
        known_yes, known_maybe = self._answers[leaf]
        self._answers[leaf] = (known_yes & others) | found, (known_maybe & others) | found
        self._judge()

    def drop(self, where: bytes) -> None:
        """Take messages as not found, whatever keys say of them: they are gone."""
        self._gone |= number_of(where)
        self._judge()

    def part(self, pick: Callable[[bytes], bytes], count: int) -> Sieve:
        """Return a sieve for some of the messages, with what is known of them.

        Args:
            pick: takes their octets out of a mask.
            count: how many they are.
        """

        def picked(number: int) -> int:
            return number_of(pick(mask_of(number, self.count)))

        some = Sieve(self.plan, count)
        some._answers = [(picked(yes), picked(maybe)) for yes, maybe in self._answers]
        some._gone = picked(self._gone)
        some._judge()
        return some

    def _judge(self) -> None:
        whole, stack = self._whole, list[Answer]()
        for step in self.plan.steps:
            if step >= 0:
                stack.append(self._answers[step])
                continue
            yes, maybe = stack.pop()
            if step == _NOT:
                stack.append((whole ^ maybe, whole ^ yes))
                continue
            other_yes, other_maybe = stack.pop()
            if step == _OR:
                stack.append((yes | other_yes, maybe | other_maybe))
            else:
                stack.append((yes & other_yes, maybe & other_maybe))
        yes, maybe = stack.pop()
        here = whole ^ self._gone
        self._yes, self._maybe = yes & here, maybe & here
