"""Log events as JSON: an object for each, flat, with the fields as they are beside the text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

from twisted.logger import LogEvent, formatEvent
from twisted.python.failure import Failure

from twistedmail_mta.observe.masking import Mask

OF_TEXT: Final = frozenset({"delivered", "detained", "filtered", "login", "place", "tagged"})
"""Fields that are parts of a sentence; what they say other fields say as well."""
_OWN: Final = frozenset({"time", "level", "event", "source", "message", "traceback"})
"""Names that this gives; a field of that name would be hidden."""
_LEGACY: Final = frozenset({"format", "isError", "failure", "why", "text", "message", "time", "system", "logLevel"})
"""What Twisted's older interface puts beside the fields."""
_LEFT_OUT: Final = OF_TEXT | _OWN | _LEGACY
_NONE: Final = "-"
_SIMPLE: Final = frozenset({str, int, bool, type(None)})
_encode: Final = json.JSONEncoder(ensure_ascii=True).encode


class JSONForm:
    """Makes a line of an event."""

    def __init__(self, *, stamped: bool = True, mask: Mask | None = None) -> None:
        """Say how.

        Args:
            stamped: with the time; the journal has its own.
            mask: replaces local parts of addresses; None leaves them.
        """
        self._stamped = stamped
        self._mask = mask
        self._second = -1
        self._stamp = ""

    def __call__(self, event: LogEvent) -> str:
        """Return an event as a line; empty if there is nothing to say."""
        mask = self._mask
        if mask is not None:
            event = mask.names(event)
        text, failure = _text(event), event.get("log_failure")
        if not text and failure is None:
            return ""
        level = event.get("log_level")
        found: dict[str, Any] = {"time": self._time(event)} if self._stamped else {}
        found["event"] = str(event.get("event") or _NONE)
        found["level"] = "info" if level is None else level.name
        found["source"] = str(event.get("log_namespace") or event.get("log_system") or _NONE)
        found["message"] = text
        if isinstance(failure, Failure):
            found["traceback"] = failure.getTraceback()
        _add_fields(found, event)
        if mask is not None:
            found = {name: mask.value(value) for name, value in found.items()}
        return _encode(found).replace("\x7f", "\\u007f") + "\n"

    def _time(self, event: LogEvent) -> str:
        """Return the time in UTC; that of a second is made once."""
        at: float = event.get("log_time", 0.0)
        second = int(at)
        if second != self._second:
            self._second, self._stamp = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{int((at - second) * 1000):03d}Z"


def _add_fields(found: dict[str, Any], event: LogEvent) -> None:
    """Add the fields; what holds others, such as tags, with a dot."""
    for name, value in event.items():
        if name in _LEFT_OUT or name.startswith("log_"):
            continue
        if type(value) in _SIMPLE:
            found[name] = value
        elif isinstance(value, dict):
            for key, each in value.items():
                found[f"{name}.{key}"] = _plain(each)
        else:
            found[name] = _plain(value)


def _plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON takes
    if type(value) in _SIMPLE:
        return value
    if isinstance(value, float) and isfinite(value):
        return value  # JSON has no others
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return _said(value)


def _said(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a field may be anything; the event is worth more
        return f"<{type(value).__name__}>"


def _text(event: LogEvent) -> str:
    """Return the text of an event; Twisted's formatter, which takes ten times as long, is the last resort."""
    form = event.get("log_format")
    try:
        if isinstance(form, str) and "()" not in form:
            return form.format_map(event)
    except Exception:  # noqa: BLE001, S110 - fields may be anything; Twisted says what is wrong with them
        pass
    try:
        return formatEvent(event)
    except Exception:  # noqa: BLE001 - likewise
        return _NONE
