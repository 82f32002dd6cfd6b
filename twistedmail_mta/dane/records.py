"""TLSA records as values, and which of them a mail client can use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

DANE_TA: Final = 2
"""The record is of an authority, which vouches for the host's certificate."""
DANE_EE: Final = 3
"""The record is of the host's own certificate or key."""

CERTIFICATE: Final = 0
PUBLIC_KEY: Final = 1

EXACT: Final = 0
SHA_256: Final = 1
SHA_512: Final = 2

MAX_RECORDS: Final = 32
"""How many records of one host are looked at."""
MAX_DATA: Final = 16_384

_DIGEST_SIZES: Final = {SHA_256: 32, SHA_512: 64}


@dataclass(frozen=True, slots=True)
class TLSA:
    """A TLSA record (RFC 6698 section 2.1).

    Attributes:
        usage: whose certificate is meant.
        selector: the whole certificate, or its public key.
        matching: as it is, or a digest of it.
        data: what it is compared with.
    """

    usage: int
    selector: int
    matching: int
    data: bytes


def usable(records: Iterable[TLSA]) -> tuple[TLSA, ...]:
    """Return the records that can authenticate a mail host, of digests the strongest alone.

    The usages PKIX-TA and PKIX-EE can't (RFC 7672 section 3.1.3), nor can
    records whose numbers are unknown here or whose digest has the wrong size.
    """
    fit = [record for record in dict.fromkeys(records) if _is_usable(record)][:MAX_RECORDS]
    return tuple(record for record in fit if record.matching == EXACT or record.matching == _strongest(record, fit))


def _is_usable(record: TLSA) -> bool:
    if record.usage not in (DANE_TA, DANE_EE) or record.selector not in (CERTIFICATE, PUBLIC_KEY):
        return False
    if record.matching == EXACT:
        return 0 < len(record.data) <= MAX_DATA
    return len(record.data) == _DIGEST_SIZES.get(record.matching)


def _strongest(record: TLSA, among: Iterable[TLSA]) -> int:
    """Return the best digest of the records of the same usage and selector (RFC 7671 section 9)."""
    return max(other.matching for other in among if (other.usage, other.selector) == (record.usage, record.selector))
