"""Regular expressions as people write them, read from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twistedmail_mta.policy.pattern_program import Choice, Letters, Node, Repeat, Sequence, Step, program_of

MAX_PATTERN: Final = 1000
_MAX_DEPTH: Final = 50
_MAX_COUNT: Final = 200
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}

_SIMPLE: Final[dict[str, Node]] = {
    ".": Letters((("\n", "\n"),), inverted=True, folded=False),
    "^": "start",
    "$": "end",
}


def compiled(pattern: str, *, folded: bool = True) -> tuple[Step, ...]:
    r"""Return the program of a regular expression, as Python writes them.

    It may hold letters, `.`, sets, `\d \w \s \b` and their opposites, `^ $`,
    groups, `|`, and `* + ? {m,n}`.  References and looking around, which can't be
    had one letter at a time, are refused.

    Args:
        pattern: the expression.
        folded: upper and lower case count as one.

    Raises:
        ValueError: it is none, or too large.
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"must have {MAX_PATTERN} letters at most")
    return program_of(_Reader(pattern, folded).read())


@dataclass(slots=True)
class _Reader:
    """Reads an expression from left to right."""

    text: str
    folded: bool
    at: int = 0
    depth: int = 0

    def read(self) -> Node:
        node = self._choice()
        if self.at < len(self.text):
            raise ValueError(f"has a ) without ( at {self.at}")
        return node

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _takes(self, expected: str) -> bool:
        if not self.text.startswith(expected, self.at):
            return False
        self.at += len(expected)
        return True

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise ValueError("ends too early")
        self.at += 1
        return self.text[self.at - 1]

    def _choice(self) -> Node:
        ways = [self._sequence()]
        while self._takes("|"):
            ways.append(self._sequence())
        return ways[0] if len(ways) == 1 else Choice(tuple(ways))

    def _sequence(self) -> Node:
        parts = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated(self._atom()))
        return Sequence(tuple(parts))

    def _repeated(self, node: Node) -> Node:
        counts = self._counts()
        if counts is None:
            return node
        self._takes("?")  # as few as possible: whether there is a match is the same
        if self._counts() is not None:
            raise ValueError(f"repeats what is repeated already, at {self.at}")
        return Repeat(node, *counts)

    def _counts(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._takes(sign):
                return counts
        return self._braces() if self._peek() == "{" else None

    def _braces(self) -> tuple[int, int | None]:
        end = self.text.find("}", self.at)
        least, comma, most = self.text[self.at + 1 : max(end, 0)].partition(",")
        numbers = [int(each) if each.isascii() and each.isdecimal() else None for each in (least or "0", most or least)]
        if end < 0 or numbers[0] is None or (not comma and not least) or (most and numbers[1] is None):
            raise ValueError(f"has a {{ at {self.at} that counts nothing; \\{{ is the letter")
        self.at = end + 1
        top = numbers[1] if most or not comma else None
        if max(numbers[0], top or 0) > _MAX_COUNT or (top is not None and top < numbers[0]):
            raise ValueError(f"has wrong counts before {self.at}; {_MAX_COUNT} is the most")
        return numbers[0], top

    def _atom(self) -> Node:
        letter = self._next()
        if letter in "*+?{":
            raise ValueError(f"has a {letter} at {self.at - 1} behind nothing that it could repeat")
        if letter in _SIMPLE:
            return _SIMPLE[letter]
        reads = {"(": self._group, "[": self._set, "\\": self._escape}.get(letter)
        return reads() if reads is not None else Letters(((letter, letter),), folded=self.folded)

    def _group(self) -> Node:
        if self._takes("?") and not self._takes(":"):
            raise ValueError("may have groups ( ) and (?: ) only")
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ValueError("has too many groups in one another")
        node = self._choice()
        if not self._takes(")"):
            raise ValueError("lacks a )")
        self.depth -= 1
        return node

    def _escape(self) -> Node:
        letter = self._next()
        if letter in "bB":
            return "edge" if letter == "b" else "inside"
        if letter in "dDwWsS":
            return Letters(kinds=letter, folded=False)
        plain = self._plain(letter)
        return Letters(((plain, plain),), folded=self.folded)

    def _plain(self, letter: str) -> str:
        """Return the letter that stands behind a backslash."""
        if letter == "x":
            digits = self._next() + self._next()
            try:
                return chr(int(digits, 16))
            except ValueError:
                raise ValueError(f"has no two hexadecimal digits behind \\x: {digits}") from None
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter.isalnum():
            raise ValueError(f"has \\{letter}, which isn't known here")
        return letter

    def _set(self) -> Letters:
        inverted = self._takes("^")
        ranges: list[tuple[str, str]] = []
        kinds = ""
        first = True
        while first or self._peek() != "]":
            first = False
            letter = self._set_letter()
            if isinstance(letter, Letters):
                kinds += letter.kinds
                continue
            last = letter
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in {"]", ""}:
                self.at += 1
                end = self._set_letter()
                if isinstance(end, Letters) or end < letter:
                    raise ValueError(f"has a set with a wrong range before {self.at}")
                last = end
            ranges.append((letter, last))
        self.at += 1
        return Letters(tuple(ranges), kinds, inverted, self.folded)

    def _set_letter(self) -> str | Letters:
        letter = self._next()
        if letter != "\\":
            return letter
        letter = self._next()
        return Letters(kinds=letter) if letter in "dDwWsS" else self._plain(letter)
