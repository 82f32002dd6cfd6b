"""Hostile fields, keys and bodies: never an exception, never more than linear time."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from dkim_made import AT, DOMAIN, found_in, rsa_record, signers, verdicts, zone
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twistedmail_mta.dkim.body import BodyHasher, hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.keys import parse_key
from twistedmail_mta.dkim.results import Unverified
from twistedmail_mta.dkim.signing import signature_fields
from twistedmail_mta.dkim.verification import forms_of, judged, names_of, signatures_of
from twistedmail_mta.mail.header import Header

WORDS = {"pass", "fail", "neutral", "policy", "permerror", "temperror", "none"}
HEADER = b"From: ann@example.org\r\nSubject: x\r\n\r\n"
BODY = b"Hello\r\n"
SIGNED = signature_fields(fields_of(Header(HEADER)), hash_of(BODY), signers(), AT)

tag_names = st.sampled_from(["v", "a", "b", "bh", "c", "d", "h", "i", "l", "q", "s", "t", "x", "z", "B", ""])
tag_values = st.sampled_from(
    ["1", "rsa-sha256", "relaxed/simple", "example.org", "from", "@example.org", "r", "=", "=FF@x", "9" * 70, "-1", "é"]
) | st.text(max_size=10)
tag_lists = st.lists(st.tuples(tag_names, tag_values), max_size=14).map(
    lambda tags: "; ".join(f"{name}={value}" for name, value in tags).encode("utf-8", "surrogatepass")
)


@given(st.binary(max_size=300) | tag_lists)
@example(b"v=1; a=rsa-sha256; d=example.org; s=r; h=from; bh=AAAA; b=AAAA; i=\xff@\xff")
@settings(max_examples=1000)
def test_any_signature(value: bytes) -> None:
    """Whatever stands in a signature field, there is a result in known words, and nothing passes."""
    for result in verdicts(b"DKIM-Signature: " + value + b"\r\n" + HEADER + BODY, zone()):
        assert result.word in WORDS - {"pass"}
        assert result.reason
        assert (result.reason + result.domain + result.identity + result.selector).isprintable()
        assert result.reason.isascii()


@given(st.binary(max_size=200) | tag_lists)
@settings(max_examples=1000)
def test_any_key(record: bytes) -> None:
    """Whatever a record says, the signature passes by its own key alone."""
    results = verdicts(SIGNED + HEADER + BODY, {f"r._domainkey.{DOMAIN}": record})

    assert {result.word for result in results} <= WORDS - {"pass"}
    with suppress(Unverified):
        parse_key(record)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_header(block: bytes) -> None:
    """A signature on top of any octets is judged; these aren't what was signed."""
    results = verdicts(SIGNED + block.replace(b"\r\n\r\n", b"") + b"\r\nFrom: x\r\n\r\n" + BODY, zone())

    assert "pass" not in {result.word for result in results}


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
@settings(max_examples=500, deadline=None)
def test_one_octet_changed(place: int, difference: int) -> None:
    """Any octet of the RSA signature field that is changed breaks it, or is white space and case that don't count."""
    changed = bytearray(SIGNED)
    changed[place] ^= difference

    for result in verdicts(bytes(changed) + HEADER + BODY, zone()):
        assert result.word in WORDS


def _seconds(header: bytes, keys: dict[str, bytes]) -> float:
    begun = time.process_time()
    fields = fields_of(Header(header))
    signatures = signatures_of(fields)
    hasher = BodyHasher(forms_of(signatures))
    hasher.add(BODY)
    judged(signatures, fields, hasher.finish(), found_in(names_of(signatures), keys), AT)
    return time.process_time() - begun


@pytest.mark.parametrize(
    "field",
    [
        b"b=" * 100_000,
        b";" * 200_000,
        b" \t" * 100_000,
        b"v=1; h=" + b"from:" * 40_000,
        b"a" * 200_000,
        b"v=1; b=" + b"A \r\n " * 40_000,
        b"=" * 200_000,
        b"i=" + b"=41" * 60_000,
        b"\r\n " * 60_000,
    ],
)
def test_long_fields_cost_little(field: bytes) -> None:
    """Five signatures of 200 KB each are done with in a moment; the square of that would take minutes."""
    header = (b"DKIM-Signature: " + field + b"\r\n") * 5 + SIGNED + HEADER

    assert _seconds(header, zone()) < 1.0


def test_many_fields_cost_little() -> None:
    """Fields by the ten thousand, all of them signed five times over, are hashed in a moment."""
    named = b"h=from:" + b":".join([b"x"] * 990)
    signature = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r; bh=%s; b=AAAA; c=relaxed/relaxed; " + named
    digest = b"W" * 43 + b"="
    header = (signature % digest + b"\r\n") * 5 + b"x: \t y \r\n" * 50_000 + HEADER

    assert _seconds(header, {f"r._domainkey.{DOMAIN}": rsa_record(2048)}) < 2.0
