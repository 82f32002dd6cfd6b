"""Which certificates records mean."""

from __future__ import annotations

import random

import pytest
from chain_made import Made, made

from twistedmail_mta.dane.matching import anchors, is_named, matches, public_key
from twistedmail_mta.dane.records import TLSA


@pytest.fixture(scope="module")
def leaf() -> Made:
    return made("mx.example.net")


@pytest.fixture(scope="module")
def other() -> Made:
    return made("mx.example.net")


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_matches(leaf: Made, other: Made, selector: int, matching: int) -> None:
    """Each selector and matching type means this certificate and no other."""
    record = leaf.record(3, selector, matching)

    assert matches(record, leaf.der)
    assert not matches(record, other.der)


def test_public_key_as_cryptography_reads_it(leaf: Made) -> None:
    """The octets of the key are those that a library gives."""
    assert public_key(leaf.der) == leaf.spki


def test_key_outlives_its_certificate(leaf: Made) -> None:
    """A renewed certificate with the same key is meant by a record of the key."""
    renewed = made("mx.example.net", key=leaf.key)

    assert matches(leaf.record(3, 1), renewed.der)
    assert not matches(leaf.record(3, 0), renewed.der)


def test_no_certificate() -> None:
    """Cut or overwritten anywhere, it is no certificate with that key, and nothing but ValueError comes of it."""
    der = made("mx.example.net").der
    key = public_key(der)
    record = TLSA(3, 1, 0, key)
    end = der.index(key) + len(key)
    dice = random.Random(7672)

    for cut in range(end):
        assert not matches(record, der[:cut])
    for _ in range(2000):
        hurt = bytearray(der)
        hurt[dice.randrange(len(der))] = dice.randrange(256)
        try:
            public_key(bytes(hurt))
        except ValueError:
            continue


def test_usages_are_kept_apart(leaf: Made, other: Made) -> None:
    """A record of an authority doesn't mean the leaf, nor one of the leaf an authority."""
    assert is_named([leaf.record(3)], leaf.der)
    assert not is_named([leaf.record(2)], leaf.der)
    assert anchors([other.record(2)], [other.der]) == [other.der]
    assert anchors([other.record(3)], [other.der]) == []


def test_whole_certificate_is_an_anchor_unseen(other: Made) -> None:
    """2 0 0 brings the certificate along; a digest or key of it doesn't."""
    assert anchors([other.record(2, 0, 0)], []) == [other.der]
    assert anchors([other.record(2, 0, 1), other.record(2, 1, 0)], []) == []
