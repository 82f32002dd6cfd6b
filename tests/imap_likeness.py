"""Compares what a transcript says with what a server said, and learns the numbers that the server chose."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from imap_responses import Continuation, Fetch, Listed, Status, Told

_NAME = re.compile(r"<([a-z][a-z0-9]*)>")
ANYTHING = b"<*>"
FIRST_UNKNOWN = 3_999_000_000
"""A number that stands for a name; no server chooses numbers as large here."""
TOLD_ANYWAY = {"\\haschildren", "\\hasnochildren", "\\drafts", "\\sent", "\\junk", "\\trash", "\\archive"}


class Likeness:
    """The numbers that a server chose in one dialogue, by their names."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._names: list[str] = []

    def fill(self, text: str) -> str:
        """Return a text with the numbers that are known in place of their names."""
        return _NAME.sub(lambda found: str(self._known[found[1]]), text)

    def unknown(self, text: str) -> str:
        """Return a text with numbers that stand for names."""

        def number(found: re.Match[str]) -> str:
            if found[1] not in self._names:
                self._names.append(found[1])
            return str(FIRST_UNKNOWN + self._names.index(found[1]))

        return _NAME.sub(number, text)

    def matches(self, expected: Any, heard: Any) -> bool:
        """Return whether a response is the one expected; then names get their numbers."""
        known = dict(self._known)
        if self._same(expected, heard):
            return True
        self._known = known
        return False

    def _same(self, expected: Any, heard: Any) -> bool:
        if type(expected) is int and expected >= FIRST_UNKNOWN:
            return type(heard) is int and self._is(self._names[expected - FIRST_UNKNOWN], heard)
        if type(expected) is not type(heard):
            return False
        same = self._comparisons.get(type(expected))
        if same is not None:
            return same(expected, heard)
        return self._same_fields(expected, heard) if is_dataclass(expected) else bool(expected == heard)

    @property
    def _comparisons(self) -> dict[type, Callable[[Any, Any], bool]]:
        """How values are compared that aren't just equal."""
        return {
            Status: self._same_status,
            Continuation: lambda *_: True,
            Listed: self._same_listed,
            Told: self._same_told,
            Fetch: self._same_fetch,
            bytes: lambda expected, heard: expected in (heard, ANYTHING),
            dict: self._same_items,
            list: self._same_all,
            tuple: self._same_all,
        }

    def _same_all(self, expected: Any, heard: Any) -> bool:
        return len(expected) == len(heard) and all(map(self._same, expected, heard))

    def _same_items(self, expected: dict[str, Any], heard: dict[str, Any]) -> bool:
        return expected.keys() == heard.keys() and all(self._same_item(key, expected, heard) for key in expected)

    def _same_told(self, expected: Told, heard: Told) -> bool:
        if expected.kind in ("CAPABILITY", "FLAGS"):
            exact = expected.kind == "FLAGS"
            return heard.kind == expected.kind and _among(expected.value, heard.value, exact=exact)
        return self._same_fields(expected, heard)

    def _same_fetch(self, expected: Fetch, heard: Fetch) -> bool:
        items = {name: value for name, value in heard.items.items() if name != "UID" or name in expected.items}
        return expected.number == heard.number and self._same_items(expected.items, items)

    def _same_fields(self, expected: Any, heard: Any) -> bool:
        return all(self._same(getattr(expected, each.name), getattr(heard, each.name)) for each in fields(expected))

    def _same_item(self, key: str, expected: dict[str, Any], heard: dict[str, Any]) -> bool:
        if key == "FLAGS":
            return _among(expected[key], [flag for flag in heard[key] if flag.lower() != "\\recent"], exact=True)
        return self._same(expected[key], heard[key])

    def _same_status(self, expected: Status, heard: Status) -> bool:
        if (expected.tag, expected.condition) != (heard.tag, heard.condition):
            return False
        if expected.code in ("CAPABILITY", "PERMANENTFLAGS"):
            exact = expected.code == "PERMANENTFLAGS"
            return heard.code == expected.code and _among(expected.argument, heard.argument, exact=exact)
        return not expected.code or (expected.code == heard.code and self._same(expected.argument, heard.argument))

    def _same_listed(self, expected: Listed, heard: Listed) -> bool:
        names = [name if name.upper() != b"INBOX" else b"INBOX" for name in (expected.name, heard.name)]
        more = heard.attributes - expected.attributes
        return (
            names[0] == names[1]
            and expected.kind == heard.kind
            and (expected.separator == heard.separator)
            and expected.attributes <= heard.attributes
            and more <= TOLD_ANYWAY
            and self._same(expected.extended, heard.extended)
        )

    def _is(self, name: str, number: int) -> bool:
        return self._known.setdefault(name, number) == number


def _among(expected: list[str], heard: list[str], *, exact: bool) -> bool:
    words, told = {word.lower() for word in expected}, {word.lower() for word in heard}
    if exact:
        return words == told
    return {word for word in words if word[0] != "-"} <= told and not {
        word[1:] for word in words if word[0] == "-"
    } & told
