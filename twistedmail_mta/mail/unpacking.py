"""What was packed by gzip (RFC 1952) or zip, unpacked up to a size: what strangers packed may be a bomb."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MOST_MEMBERS: Final = 16
"""Pieces of a gzip file, and files in an archive, that are looked at."""

_GZIP: Final = b"\x1f\x8b"
_LOCAL: Final = b"PK\x03\x04"
_CENTRAL: Final = b"PK\x01\x02"
_END: Final = b"PK\x05\x06"
_END_RECORD: Final = struct.Struct("<4s4H2LH")
_CENTRAL_RECORD: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL_RECORD: Final = struct.Struct("<4s5H3L2H")
_LONGEST_COMMENT: Final = 0xFFFF
_ENCRYPTED: Final = 1
_STORED, _DEFLATED = 0, 8
_RAW, _WITH_GZIP_HEADER = -15, 31  # zlib's window bits


class UnpackError(ValueError):
    """What was packed can't be unpacked, or is more than it may be."""


def unpacked(octets: bytes, most: int) -> bytes:
    """Return what was packed; octets that weren't are returned as they are.

    Of an archive it is the first file whose name ends in .xml or .json, else the first file.

    Args:
        octets: what came.
        most: octets that may come out.

    Raises:
        UnpackError: more would come out, or it is broken.
    """
    if octets.startswith(_GZIP):
        return _from_gzip(octets, most)
    if octets.startswith(_LOCAL):
        return _from_archive(octets, most)
    if len(octets) > most:
        raise UnpackError(f"it has {len(octets)} octets, more than {most}")
    return octets


def _from_gzip(octets: bytes, most: int) -> bytes:
    """Unpack all members, one after another; padding behind the last is passed over."""
    out = b""
    for _ in range(MOST_MEMBERS):
        member, octets = _inflated(octets, _WITH_GZIP_HEADER, most - len(out))
        if member is None:
            raise UnpackError(f"it unpacks to more than {most} octets")
        out += member
        if not octets.startswith(_GZIP):
            return out
    raise UnpackError(f"it has more than {MOST_MEMBERS} pieces")


def _inflated(octets: bytes, bits: int, most: int) -> tuple[bytes | None, bytes]:
    """Return what comes out of one stream, None if that is too much, and what follows the stream."""
    stream = zlib.decompressobj(bits)
    try:
        out = stream.decompress(octets, most + 1)
    except zlib.error as error:
        raise UnpackError(f"it can't be unpacked: {error}") from error
    if len(out) > most:
        return None, b""
    if not stream.eof:
        raise UnpackError("it is cut off")
    return out, stream.unused_data


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file in an archive, as the central directory has it."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    place: int


def _from_archive(octets: bytes, most: int) -> bytes:
    files = [each for each in _entries(octets) if not each.name.endswith(b"/")]
    if not files:
        raise UnpackError("there is no file in the archive")
    wanted = next((each for each in files if each.name.lower().endswith((b".xml", b".json"))), files[0])
    return _file(octets, wanted, most)


def _entries(octets: bytes) -> Iterator[_Entry]:
    """Yield the first entries of the central directory."""
    place = octets.rfind(_END, max(0, len(octets) - _LONGEST_COMMENT - _END_RECORD.size))
    try:
        if place < 0:
            raise UnpackError("the archive is cut off")
        begin = _END_RECORD.unpack_from(octets, place)[6]
        for _ in range(MOST_MEMBERS):
            if octets[begin : begin + 4] != _CENTRAL:
                return
            fields = _CENTRAL_RECORD.unpack_from(octets, begin)
            flags, method, crc, packed = fields[3], fields[4], fields[7], fields[8]
            name_size, extra_size, comment_size = fields[10:13]
            begin += _CENTRAL_RECORD.size
            yield _Entry(octets[begin : begin + name_size], flags, method, crc, packed, fields[-1])
            begin += name_size + extra_size + comment_size
    except struct.error as error:
        raise UnpackError("the archive is broken") from error


def _file(octets: bytes, entry: _Entry, most: int) -> bytes:
    if entry.flags & _ENCRYPTED:
        raise UnpackError("the archive is encrypted")
    try:
        fields = _LOCAL_RECORD.unpack_from(octets, entry.place)
    except struct.error as error:
        raise UnpackError("the archive is broken") from error
    if fields[0] != _LOCAL:
        raise UnpackError("the archive is broken")
    begin = entry.place + _LOCAL_RECORD.size + fields[9] + fields[10]
    out = _extracted(octets[begin : begin + entry.packed], entry.method, most)
    if zlib.crc32(out) != entry.crc:
        raise UnpackError("the file in the archive is damaged")
    return out


def _extracted(packed: bytes, method: int, most: int) -> bytes:
    if method not in {_STORED, _DEFLATED}:
        raise UnpackError(f"the archive is packed by a method that isn't known: {method}")
    out = _inflated(packed, _RAW, most)[0] if method == _DEFLATED else packed
    if out is None or len(out) > most:
        raise UnpackError(f"it unpacks to more than {most} octets")
    return out
