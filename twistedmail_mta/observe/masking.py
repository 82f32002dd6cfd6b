"""Words that stand for the local parts of mail addresses, so that a log tells nobody who wrote to whom."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from twisted.logger import LogEvent

_LETTER: Final = r"""[^\s<>"'@,;:()\[\]{}\\]"""
_ADDRESS: Final = re.compile(
    rf"""(?:"(?:[^"\\\n]|\\.){{1,128}}"|(?<!{_LETTER})(?<!\w')(?:{_LETTER}|(?<=\w)'(?=\w))++)(?=@[\w\[])"""
)
"""A local part, quoted or not, before what may be a domain.  One that isn't quoted begins where no letter is before it,
so that a long word is read once."""
_IN_LINK: Final = re.compile(
    r"""(?<![^\s<>"'@,;:()\[\]{}\\%&=?])[^\s<>"'@,;:()\[\]{}\\%&=?]++(?=%40\w)""", re.IGNORECASE
)
"""The same in a link, where the at sign is %40."""
_NAMES: Final = ("account", "user")
"""Fields with a login, which may be a name without a domain."""
_QUOTING: Final = ("reply", "reason", "maildir")
"""Fields that may hold the local part of an event's recipient by itself: "user ann unknown", ".../example.org/ann"."""
_DIGITS: Final = 12
_REMEMBERED: Final = 10_000

KEY_SIZE: Final = 32
"""Octets of a secret."""


class Mask:
    """Replaces local parts, each always by the same word: who knows the secret can tell which word an address has."""

    def __init__(self, secret: bytes) -> None:
        """Make a mask.

        Args:
            secret: `KEY_SIZE` octets.
        """
        self._secret = secret
        self._word = lru_cache(_REMEMBERED)(self._new_word)

    def text(self, text: str) -> str:
        """Return a text without the local parts in it, wherever they stand."""
        if "@" in text:
            text = _ADDRESS.sub(self._replaced, text)
        return _IN_LINK.sub(self._replaced, text) if "%40" in text else text

    def names(self, event: LogEvent) -> LogEvent:
        """Return an event without logins and local parts that stand there without a domain; `text` finds the others."""
        masked = {name: self.word(event[name]) for name in _NAMES if _is_bare(event.get(name))}
        local = str(event.get("recipient") or "").rpartition("@")[0]
        if local:
            masked |= self._quoting(event, local)
        return {**event, **masked} if masked else event

    def value(self, value: Any) -> Any:  # noqa: ANN401 - fields may be anything
        """Return a value, as JSON has it, without the local parts in it."""
        if isinstance(value, str):
            return self.text(value)
        return [self.value(each) for each in value] if isinstance(value, list) else value

    def word(self, local: str) -> str:
        """Return what stands for a local part, in whatever case it is written."""
        return self._word(local.lower())

    def _new_word(self, local: str) -> str:
        octets = local.encode("utf-8", "surrogatepass")
        return f"~{hashlib.blake2b(octets, key=self._secret, digest_size=_DIGITS // 2).hexdigest()}"

    def _replaced(self, found: re.Match[str]) -> str:
        return self.word(found[0])

    def _quoting(self, event: Mapping[str, Any], local: str) -> dict[str, str]:
        """Return what fields are without a local part, of those that have it as a word."""
        said = {name: str(event[name]) for name in _QUOTING if name in event}
        if not any(local.lower() in text.lower() for text in said.values()):
            return {}
        alone = re.compile(rf"(?<!\w){re.escape(local)}(?![\w@])", re.IGNORECASE)
        return {name: alone.sub(self.word(local), text) for name, text in said.items()}


def _is_bare(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "@" not in value
