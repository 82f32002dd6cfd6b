"""Canonical bodies: cut anywhere, compared with the rule done line by line."""

from __future__ import annotations

import hashlib
import random
import time
import tracemalloc

import pytest
from dkim_made import plain_body, random_body
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.dkim.body import BodyHasher, CanonicalBody, Form, hash_of
from twistedmail_mta.dkim.fields import Canon


def canonical(blocks: list[bytes], canon: Canon) -> bytes:
    """Make a body canonical that comes in blocks."""
    body = CanonicalBody(canon)
    known = [b"".join(body.add(block)) for block in blocks]
    return b"".join(known) + b"".join(body.finish())


@pytest.mark.parametrize("canon", ["simple", "relaxed"])
@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),  # RFC 6376 section 3.4.5
        (b"no end", b"no end\r\n", b"no end\r\n"),
        (b"a\r\n \r\n\t\r\n", b"a\r\n \r\n\t\r\n", b"a\r\n"),
        (b"bare\rCR and \nLF \n", b"bare\rCR and \nLF \n\r\n", b"bare\rCR and \nLF \n\r\n"),
        (b"a \r", b"a \r\r\n", b"a \r\r\n"),
        (b"a\r\n\n\r\n\r\r\n\r\n", b"a\r\n\n\r\n\r\r\n", b"a\r\n\n\r\n\r\r\n"),
    ],
)
def test_what_the_rfc_says(body: bytes, simple: bytes, relaxed: bytes, canon: Canon) -> None:
    """Each rule of RFC 6376 sections 3.4.3 and 3.4.4, with CR and LF alone as text."""
    expected = simple if canon == "simple" else relaxed

    assert canonical([body], canon) == expected
    assert plain_body(body, canon) == expected


@pytest.mark.parametrize("canon", ["simple", "relaxed"])
def test_cut_anywhere(canon: Canon) -> None:
    """Wherever two cuts fall, the canonical body is the one that the line by line rule makes."""
    source = random.Random(11)
    for _ in range(300):
        body = random_body(source, most=25)
        expected = plain_body(body, canon)
        for first in range(len(body) + 1):
            second = source.randrange(first, len(body) + 1)
            blocks = [body[:first], body[first:second], body[second:]]
            assert canonical(blocks, canon) == expected, (blocks, canon)


@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"\r", b"\n", b" ", b"\t", b"\r\n"])))
def test_any_octets(blocks: list[bytes]) -> None:
    """No octets and no cuts lead to anything but what the rule says."""
    for canon in ("simple", "relaxed"):
        assert canonical(blocks, canon) == plain_body(b"".join(blocks), canon)


def test_single_octets_of_a_long_run() -> None:
    """A body that comes octet by octet is the same too, whatever was held meanwhile."""
    body = b"x" + b" \t" * 50 + b"\r\n" * 50 + b"y" + b"\r\n" * 3

    for canon in ("simple", "relaxed"):
        assert canonical([bytes((octet,)) for octet in body], canon) == plain_body(body, canon)


def test_one_pass_for_all_forms() -> None:
    """Every form that is asked for has its own hash: both kinds, whole and cut off, in the middle of a block too."""
    body = b"some  text\r\n" * 1000 + b"\r\n" * 10
    forms: list[Form] = [("simple", None), ("relaxed", None), ("relaxed", 17), ("relaxed", 5000), ("simple", 0)]
    hasher = BodyHasher(forms)
    for begin in range(0, len(body), 700):
        hasher.add(body[begin : begin + 700])

    hashes = hasher.finish()

    for canon, limit in forms:
        whole = plain_body(body, canon)
        assert hashes[canon, limit].digest == hashlib.sha256(whole[:limit]).digest()
        assert hashes[canon, limit].size == len(whole)


@pytest.mark.parametrize("piece", [b"\r\n", b" ", b"\r\n ", b"\r", b"\t\r\n", b"\n", b"  x"])
def test_time_and_memory_of_the_worst_bodies(piece: bytes) -> None:
    """40 MB of what has to be held are hashed in constant memory, and no slower than any other text.

    A body held in memory would need 40 MB; the time is what a tenth of the usual speed would take.
    """
    block = piece * (262_144 // len(piece))
    hasher = BodyHasher([("relaxed", None), ("simple", None)])

    tracemalloc.start()
    hasher.add(block)
    hasher.add(block)
    tracemalloc.reset_peak()
    for _ in range(10):
        hasher.add(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    begun = time.process_time()
    for _ in range(148):
        hasher.add(block)
    hasher.add(b"end")
    hasher.finish()

    assert peak < 4 << 20
    assert time.process_time() - begun < 4.0


def test_hash_of_an_empty_body() -> None:
    """RFC 6376 section 3.4.4 names the hash of an empty relaxed body."""
    assert hash_of(b"").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
