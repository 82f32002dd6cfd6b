"""What a reply that doesn't accept means, and when it asks us to come again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.reply_patterns import BY_CODE, BY_STATUS, FALLBACK, PHRASES, Kind

LONGEST_HINT: Final = 86_400.0
"""Seconds; a host that names a longer time is taken to mean this."""

_READ: Final = 1000
"""How many characters of a text are read."""

_PHRASES: Final = tuple((kind, tuple(phrase.split(" & "))) for kind, phrases in PHRASES for phrase in phrases)

# Every repetition is bounded, so the time is linear in the text.
_CUE: Final = re.compile(r"(?:again|retry|back|wait|later|listed|listing|delay|delayed|deferred)\b[^0-9]{0,40}")
_CLOCK: Final = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,2}):([0-9]{2})(?![0-9:])")
_SPAN: Final = re.compile(r"([0-9]{1,7}) {0,2}(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?)\b(?:,? (?:and )?)?")
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a reply means.

    Attributes:
        kind: what it is about.
        retry_in: seconds after which the host asks us to come again, from 1
            to `LONGEST_HINT`; None when it names no time, or refuses for good.
    """

    kind: Kind
    retry_in: float | None = None

    @property
    def is_about_us(self) -> bool:
        """Whether it speaks of what comes from here, not of one recipient or message: a lane should slow down."""
        return self.kind in {"throttled", "blocked"}


def meaning_of(reply: Reply) -> Meaning:
    """Return what a reply means; linear in its text, of which only the beginning is read.

    A status code that hosts use for one thing alone decides; then a known
    phrase; then what is left: the status code's subject, or the code.

    Args:
        reply: a 4xx or 5xx reply, a peer's or our own.
    """
    start = Reply(reply.code, reply.status, reply.text[:_READ])
    text = str(start).lower()
    _, _, detail = reply.status.partition(".")
    status = BY_STATUS.get(reply.status) or BY_STATUS.get(detail)
    kind = status or _by_phrase(text) or _by_default(reply.code, detail)
    return Meaning(kind, None if reply.is_permanent else _hint(text))


def _by_phrase(text: str) -> Kind | None:
    for kind, parts in _PHRASES:
        if parts[0] in text and all(part in text for part in parts):
            return kind
    return None


def _by_default(code: int, detail: str) -> Kind:
    subject = detail.partition(".")[0]
    if code == 421 and subject == "7":
        return "throttled"  # who closes the connection for a rule of his own has enough of us
    return FALLBACK.get(detail) or FALLBACK.get(subject) or BY_CODE.get(code, "other")


def _hint(text: str) -> float | None:
    """Return the time named behind words that ask for a retry."""
    for cue in _CUE.finditer(text):
        seconds = _duration(text, cue.end())
        if seconds:
            return min(max(seconds, 1.0), LONGEST_HINT)
    return None


def _duration(text: str, place: int) -> float:
    """Return the seconds that `text` names at `place`, as "00:04:59" or "1 hour 5 min"; 0 when it names none."""
    clock = _CLOCK.match(text, place)
    if clock is not None:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return hours * 3600.0 + minutes * 60.0 + seconds
    total = 0.0
    for _ in _UNITS:  # each at most once
        span = _SPAN.match(text, place)
        if span is None:
            break
        total += int(span[1]) * _UNITS[span[2][0]]
        place = span.end()
    return total
