"""Log events as JSON: an object for each, flat, with the fields as they are beside the text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
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
_NONE: Final = "-"


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

    def __call__(self, event: LogEvent) -> str:
        """Return an event as a line; empty if there is nothing to say."""
        event = event if self._mask is None else self._mask.names(event)
        text, failure = _text(event), event.get("log_failure")
        if not text and failure is None:
            return ""
        found = {"event": str(event.get("event") or _NONE), **_beside(event, text)}
        if isinstance(failure, Failure):
            found["traceback"] = failure.getTraceback()
        fields = {**found, **dict(_fields(event))}
        if self._mask is not None:
            fields = {name: self._mask.value(value) for name, value in fields.items()}
        stamp = {"time": _stamp(event)} if self._stamped else {}
        return json.dumps({**stamp, **fields}, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n"


def _beside(event: LogEvent, text: str) -> dict[str, Any]:
    level = event.get("log_level")
    source = event.get("log_namespace") or event.get("log_system") or _NONE
    return {"level": "info" if level is None else level.name, "source": str(source), "message": text}


def _fields(event: LogEvent) -> Iterator[tuple[str, Any]]:
    """Yield the fields; what holds others, such as tags, with a dot."""
    for name, value in event.items():
        if name.startswith("log_") or name in _OWN or name in _LEGACY or name in OF_TEXT:
            continue
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", _plain(each)) for key, each in value.items())
        else:
            yield name, _plain(value)


def _plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON takes
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return _said(value)


def _said(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a field may be anything; the event is worth more
        return f"<{type(value).__name__}>"


def _text(event: LogEvent) -> str:
    try:
        return formatEvent(event)
    except Exception:  # noqa: BLE001 - likewise
        return _NONE


def _stamp(event: LogEvent) -> str:
    at = datetime.fromtimestamp(event.get("log_time", 0.0), UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
