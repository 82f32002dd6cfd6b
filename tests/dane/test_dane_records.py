"""Which TLSA records can be used, and which are passed over."""

from __future__ import annotations

import pytest

from twistedmail_mta.dane.records import MAX_DATA, MAX_RECORDS, TLSA, usable

SHA256, SHA512 = bytes(32), bytes(64)


@pytest.mark.parametrize("usage", [2, 3])
@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize(("matching", "data"), [(0, b"0"), (1, SHA256), (2, SHA512)])
def test_usable(usage: int, selector: int, matching: int, data: bytes) -> None:
    """Every combination that RFC 7672 section 3.1 lets a mail client use."""
    record = TLSA(usage, selector, matching, data)

    assert usable([record]) == (record,)


@pytest.mark.parametrize(
    "record",
    [
        TLSA(0, 1, 1, SHA256),
        TLSA(1, 1, 1, SHA256),
        TLSA(4, 1, 1, SHA256),
        TLSA(255, 1, 1, SHA256),
        TLSA(3, 2, 1, SHA256),
        TLSA(3, 1, 3, SHA256),
        TLSA(3, 1, 1, SHA512),
        TLSA(3, 1, 1, b""),
        TLSA(3, 1, 2, SHA256),
        TLSA(3, 0, 0, b""),
        TLSA(3, 0, 0, bytes(MAX_DATA + 1)),
    ],
)
def test_unusable(record: TLSA) -> None:
    """PKIX usages, unknown numbers, digests of another size: they neither help nor spoil the others."""
    good = TLSA(3, 1, 1, SHA256)

    assert usable([record]) == ()
    assert usable([record, good]) == (good,)


def test_strongest_digest_alone() -> None:
    """Of one usage and selector SHA-512 counts and SHA-256 doesn't; what is no digest always does."""
    weak, strong = TLSA(3, 1, 1, SHA256), TLSA(3, 1, 2, SHA512)
    whole, other = TLSA(3, 1, 0, b"key"), TLSA(2, 1, 1, SHA256)

    assert usable([weak, strong, whole, other]) == (strong, whole, other)


def test_malformed_digest_is_not_the_strongest() -> None:
    """A SHA-512 record of the wrong size doesn't take the place of a good SHA-256."""
    good = TLSA(3, 1, 1, SHA256)

    assert usable([good, TLSA(3, 1, 2, SHA256)]) == (good,)


def test_bounded() -> None:
    """A zone can't make us compare without end."""
    assert len(usable([TLSA(3, 1, 0, bytes([1, number])) for number in range(200)])) == MAX_RECORDS
