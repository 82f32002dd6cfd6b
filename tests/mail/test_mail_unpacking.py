"""What was packed comes out up to a size, whatever was done to it."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.unpacking import MOST_MEMBERS, UnpackError, unpacked

XML = b"<feedback>" + b"x" * 1000 + b"</feedback>"


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for name, octets in files:
            archive.writestr(name, octets)
    return out.getvalue()


def test_gzip() -> None:
    """One stream, several behind one another, padding behind the last."""
    packed = gzip.compress(XML, mtime=0)

    assert unpacked(packed, 2000) == XML
    assert unpacked(packed + packed + b"\0" * 100, 3000) == XML + XML


def test_archives() -> None:
    """Packed or only stored, with a comment; the file that is wanted is found by its name, else it is the first."""
    assert unpacked(zipped(("a.xml", XML)), 2000) == XML
    assert unpacked(zipped(("a.xml", XML), method=zipfile.ZIP_STORED, comment=b"made by hand"), 2000) == XML
    assert unpacked(zipped(("d/", b""), ("readme.txt", b"no"), ("d/A.XML", XML)), 2000) == XML
    assert unpacked(zipped(("report", XML), ("other", b"no")), 2000) == XML


def test_streamed_archive() -> None:
    """Sizes that stand behind a file instead of before it, as a pipe needs it."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.octets = b""

        def writable(self) -> bool:
            return True

        def write(self, octets: object) -> int:
            self.octets += bytes(octets)  # type: ignore[call-overload]
            return len(bytes(octets))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("a.xml", XML)

    assert unpacked(pipe.octets, 2000) == XML


def test_not_packed() -> None:
    """It is returned as it is, if it isn't too much."""
    assert unpacked(XML, len(XML)) == XML
    with pytest.raises(UnpackError, match="more than"):
        unpacked(XML, len(XML) - 1)


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(bytes(200 << 20), 1, mtime=0),
        gzip.compress(bytes(900_000), mtime=0) * 2,
        zipped(("a.xml", bytes(50 << 20))),
        zipped(("a.xml", bytes(2_000_000)), method=zipfile.ZIP_STORED),
    ],
    ids=["gzip", "members", "zip", "stored"],
)
def test_bombs(packed: bytes) -> None:
    """More than may come out is noticed before it is in memory."""
    tracemalloc.start()
    with pytest.raises(UnpackError, match="more than 1000000 octets"):
        unpacked(packed, 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 8_000_000


def test_lying_archives() -> None:
    """What the directory says of sizes isn't believed, nor that there are files without end."""
    bomb = bytearray(zipped(("a.xml", bytes(5_000_000))))
    place = bomb.rfind(b"PK\x01\x02")
    bomb[place + 24 : place + 28] = (10).to_bytes(4, "little")
    with pytest.raises(UnpackError, match="more than"):
        unpacked(bytes(bomb), 1_000_000)

    many = zipped(*((f"{n}.txt", b"no") for n in range(MOST_MEMBERS)), ("a.xml", XML))
    assert unpacked(many, 2000) == b"no"
    with pytest.raises(UnpackError, match="pieces"):
        unpacked(gzip.compress(b"", mtime=0) * (MOST_MEMBERS + 1), 100)


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (gzip.compress(XML, mtime=0)[:-20], "cut off"),
        (gzip.compress(XML, mtime=0)[:10] + b"\xff" * 30, "can't be unpacked"),
        (zipped(("a.xml", XML))[:-30], "cut off"),
        (zipped(("a.xml", XML), method=zipfile.ZIP_STORED).replace(b"xxx", b"xyz"), "damaged"),
        (zipped(("a.xml", XML), method=zipfile.ZIP_BZIP2), "method"),
        (zipped(("d/", b"")), "no file"),
        (b"PK\x03\x04", "cut off"),
    ],
)
def test_broken(packed: bytes, why: str) -> None:
    """It is said in words what is wrong."""
    with pytest.raises(UnpackError, match=why):
        unpacked(packed, 10_000)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.sampled_from([gzip.compress(XML, mtime=0), zipped(("a.xml", XML))]), st.integers(0, 2000), st.binary(max_size=5)
)
def test_damaged(packed: bytes, place: int, octets: bytes) -> None:
    """Whatever is damaged, something comes out or it is refused, with no other error."""
    place %= len(packed)
    try:
        out = unpacked(packed[:place] + octets + packed[place + len(octets) :], 5000)
    except UnpackError:
        return
    assert len(out) <= 5000


def test_raw_deflate_is_not_taken_for_anything() -> None:
    """What has no name that is known stays as it is."""
    assert unpacked(zlib.compress(XML), 2000) == zlib.compress(XML)
