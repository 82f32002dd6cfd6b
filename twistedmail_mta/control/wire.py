"""Lines of JSON, as the control socket speaks them (PURE)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

VERSION: Final = 1
MAX_LINE: Final = 1 << 20
SOCKET_NAME: Final = "control.sock"

Object = dict[str, Any]


class WireError(Exception):
    """The other side speaks something else."""


def encode(value: Mapping[str, Any]) -> bytes:
    """Return the line for an object."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


def decode(line: bytes) -> Object:
    """Return the object on a line.

    Raises:
        WireError: it is none.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("not a line of JSON") from error
    if not isinstance(value, dict):
        raise WireError("not a JSON object")
    return value


class Lines:
    """Cuts a stream into lines; holds at most one unfinished line."""

    __slots__ = ("_held", "_size")

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._size = 0

    def receive(self, block: bytes) -> list[bytes]:
        """Take octets and return the lines that are complete now, without their ends.

        Raises:
            WireError: a line is longer than `MAX_LINE`.
        """
        if b"\n" not in block:
            self._hold(block)
            return []
        first, *lines = block.split(b"\n")
        self._hold(first)
        lines.insert(0, b"".join(self._held))
        self._held, self._size = [], 0
        self._hold(lines.pop())
        return lines

    def _hold(self, block: bytes) -> None:
        self._size += len(block)
        if self._size > MAX_LINE:
            raise WireError("line too long")
        if block:
            self._held.append(block)
