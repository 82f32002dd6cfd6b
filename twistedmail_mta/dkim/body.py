"""Bodies as they are signed: made canonical and hashed as they stream, in bulk and in constant memory."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.dkim.fields import Canon
from twistedmail_mta.model import CRLF

_SPACES: Final = re.compile(rb"  +")
_ENDS: Final = 16384
"""Line ends that are made at once, of any number that was counted."""
_SLICE: Final = 32768
"""Octets that are looked at at once: replacing much in them takes up to sixty times that."""

Form = tuple[Canon, int | None]
"""What is hashed: the canonical form, and after how many of its octets it is cut off (l=); None: never."""


@dataclass(frozen=True, slots=True)
class BodyHash:
    """A hash of a body.

    Attributes:
        digest: SHA-256.
        size: octets of the canonical body, all of it.
    """

    digest: bytes
    size: int


class CanonicalBody:
    """Makes a body canonical (RFC 6376 sections 3.4.3 and 3.4.4), however it is cut into blocks.

    Lines end with CRLF only; a CR or LF alone is text.  What may belong to
    the empty lines at the end is held as a number of line ends, and at most
    two octets that can't be judged yet, so it needs no memory to speak of.
    """

    __slots__ = ("_any", "_ends", "_held", "_relaxed")

    def __init__(self, canon: Canon) -> None:
        self._relaxed = canon == "relaxed"
        self._held = b""
        self._ends = 0
        self._any = False

    def add(self, block: bytes) -> Iterator[bytes]:
        """Take octets and yield what of the canonical body is known by now; to be exhausted before the next call."""
        data = self._held + block
        if self._relaxed:
            data = _reduced(data)
        known = self._known(data)
        self._held = data[known:]
        text, ends = _without_ends(data[:known])
        if text:
            yield from self._held_ends()
            self._any = True
            yield text
        self._ends += ends

    def finish(self) -> Iterator[bytes]:
        """Yield the rest; nothing can be added any more."""
        last = self._held.removesuffix(b" ") if self._relaxed else self._held
        if last:  # a CR, perhaps with the space before it
            yield from self._held_ends()
            self._any = True
            yield last
        if self._any or not self._relaxed:
            yield CRLF

    def _known(self, data: bytes) -> int:
        """Return how many octets can be judged: not a CR at the end, nor, if relaxed, the space before it."""
        end = len(data)
        if data.endswith(b"\r"):
            end -= 1
        if self._relaxed and data.endswith(b" ", 0, end):
            end -= 1
        return end

    def _held_ends(self) -> Iterator[bytes]:
        while self._ends:
            number = min(self._ends, _ENDS)
            self._ends -= number
            yield CRLF * number


def _reduced(data: bytes) -> bytes:
    """Return text with white space as the relaxed form has it.

    Most text has little to change, and looking is cheap.
    """
    if b"\t" in data:
        data = data.replace(b"\t", b" ")
    if b"  " in data:
        data = _SPACES.sub(b" ", data)
    return data.replace(b" \r\n", CRLF)


def _without_ends(data: bytes) -> tuple[bytes, int]:
    """Return text without the line ends behind it, and how many those are."""
    if not data.endswith(CRLF):
        return data, 0
    begin = len(data.rstrip(CRLF))
    # Of the CRs and LFs there, those behind the last two that are alike come in turns.
    begin = max(begin, data.rfind(b"\n\n", begin) + 1, data.rfind(b"\r\r", begin) + 1)
    if data.startswith(b"\n", begin):
        begin += 1
    return data[:begin], (len(data) - begin) // 2


class BodyHasher:
    """Hashes a body once for all signatures that mean the same form of it."""

    def __init__(self, forms: Iterable[Form]) -> None:
        """Begin.

        Args:
            forms: what is to be hashed; SHA-256 is the only hash there is (RFC 8301 section 3.1).
        """
        limits: dict[Canon, set[int | None]] = {}
        for canon, limit in forms:
            limits.setdefault(canon, set()).add(limit)
        self._bodies = [_Hashed(canon, limits[canon]) for canon in limits]

    def add(self, block: bytes) -> None:
        """Take the next octets of the body."""
        for begin in range(0, len(block), _SLICE):
            piece = block[begin : begin + _SLICE]
            for body in self._bodies:
                body.take(body.canonical.add(piece))

    def finish(self) -> Mapping[Form, BodyHash]:
        """Return the hashes; nothing can be added any more."""
        hashes: dict[Form, BodyHash] = {}
        for body in self._bodies:
            body.take(body.canonical.finish())
            hashes |= body.hashes()
        return hashes


class _Hashed:
    """One canonical form with all its hashes."""

    __slots__ = ("_canon", "_hashes", "_size", "canonical")

    def __init__(self, canon: Canon, limits: Iterable[int | None]) -> None:
        self.canonical = CanonicalBody(canon)
        self._canon: Canon = canon
        self._hashes = {limit: hashlib.sha256() for limit in limits}
        self._size = 0

    def take(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            for limit, digest in self._hashes.items():
                if limit is None:
                    digest.update(piece)
                elif limit > self._size:
                    digest.update(piece[: limit - self._size])
            self._size += len(piece)

    def hashes(self) -> Mapping[Form, BodyHash]:
        return {(self._canon, limit): BodyHash(each.digest(), self._size) for limit, each in self._hashes.items()}


def hash_of(body: bytes, canon: Canon = "relaxed") -> bytes:
    """Return the hash of a body that is in memory."""
    hasher = BodyHasher([(canon, None)])
    hasher.add(body)
    return hasher.finish()[canon, None].digest
