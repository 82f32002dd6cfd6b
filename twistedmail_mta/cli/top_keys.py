"""Keys that `mta top` knows, read out of what a terminal sends (PURE)."""

from __future__ import annotations

from typing import Final, Literal

Key = Literal["quit", "next", "previous", "pause", "up", "down", "page up", "page down", "home", "end"]

_SENT: Final[dict[bytes, Key]] = {
    **dict.fromkeys((b"q", b"Q", b"\x03", b"\x04"), "quit"),
    **dict.fromkeys((b"s", b"S", b"\t", b"\x1b[C", b"\x1bOC"), "next"),
    **dict.fromkeys((b"\x1b[Z", b"\x1b[D", b"\x1bOD"), "previous"),
    **dict.fromkeys((b"p", b"P", b" "), "pause"),
    **dict.fromkeys((b"\x1b[A", b"\x1bOA", b"k"), "up"),
    **dict.fromkeys((b"\x1b[B", b"\x1bOB", b"j"), "down"),
    **dict.fromkeys((b"\x1b[5~",), "page up"),
    **dict.fromkeys((b"\x1b[6~",), "page down"),
    **dict.fromkeys((b"\x1b[H", b"\x1bOH", b"\x1b[1~"), "home"),
    **dict.fromkeys((b"\x1b[F", b"\x1bOF", b"\x1b[4~"), "end"),
}
"""Arrows as terminals send them in both of their modes, and the rest as xterm and its kin do."""
_LONGEST: Final = 32
"""Octets of a sequence that is waited for; a longer one is none."""


class Keys:
    """Cuts what a terminal sends into keys; what it doesn't know is left out, escape sequences as a whole."""

    def __init__(self) -> None:
        self._held = b""

    def receive(self, octets: bytes) -> list[Key]:
        """Take octets and return the keys that they complete."""
        self._held += octets
        keys: list[Key] = []
        while self._held:
            size = _size(self._held)
            if size is None and len(self._held) <= _LONGEST:
                break
            sent, self._held = self._held[: size or 1], self._held[size or 1 :]
            if (key := _SENT.get(sent)) is not None:
                keys.append(key)
        return keys


def _size(octets: bytes) -> int | None:
    """Return how many octets the first key has; None while more of it has to come (ECMA-48 section 5.4)."""
    if octets[:1] != b"\x1b":
        return 1
    if len(octets) == 1:
        return None
    if octets[1:2] == b"O":
        return 3 if len(octets) >= 3 else None
    if octets[1:2] != b"[":
        return 1
    return next((n + 1 for n, octet in enumerate(octets[2:], 2) if 0x40 <= octet <= 0x7E), None)
