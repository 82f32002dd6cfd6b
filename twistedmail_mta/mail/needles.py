"""Looks for several texts at once in text that comes in pieces."""

from __future__ import annotations

from collections.abc import Iterable


class Needles:
    """Texts that are looked for, in any case (`casemap.casemapped`), and which of them were found.

    Attributes:
        missing: those not found yet.
    """

    __slots__ = ("_behind", "_kept", "missing")

    def __init__(self, wanted: Iterable[bytes]) -> None:
        """Begin; an empty text is in every text."""
        self.missing = {needle for needle in wanted if needle}
        self._kept = max(map(len, self.missing), default=1) - 1
        self._behind = b""

    def look(self, text: bytes) -> None:
        """Look at the next piece, casemapped; what is cut in two by its begin is found as well."""
        if self._behind:
            text = self._behind + text
        for needle in [needle for needle in self.missing if needle in text]:
            self.missing.discard(needle)
        self._behind = text[-self._kept :] if self._kept else b""

    def cut(self) -> None:
        """Hear that what comes next doesn't belong to what came before."""
        self._behind = b""
