"""Which certificates a TLSA record means: octets compared with octets, no certificate is believed here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from twistedmail_mta.dane.records import CERTIFICATE, DANE_EE, DANE_TA, EXACT, PUBLIC_KEY, SHA_256, SHA_512, TLSA

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_BEFORE_KEY: Final = 5
"""What stands before the key: serial number, algorithm, issuer, validity, subject (RFC 5280 section 4.1)."""

_FORMS: Final[dict[int, Callable[[bytes], bytes]]] = {
    EXACT: bytes,
    SHA_256: lambda octets: hashlib.sha256(octets).digest(),
    SHA_512: lambda octets: hashlib.sha512(octets).digest(),
}


def is_named(records: Iterable[TLSA], leaf: bytes) -> bool:
    """Return whether a record of usage DANE-EE means the host's own certificate.

    Names and dates of that certificate don't count (RFC 7672 section 3.1.1).

    Args:
        records: usable ones.
        leaf: the certificate, in DER form.
    """
    return any(record.usage == DANE_EE and matches(record, leaf) for record in records)


def anchors(records: Sequence[TLSA], issuers: Iterable[bytes]) -> list[bytes]:
    """Return the certificates that records of usage DANE-TA mean, in DER form.

    A record with a whole certificate is one, though the host doesn't show it.

    Args:
        records: usable ones.
        issuers: what stands above the host's certificate, in DER form.
    """
    of_authorities = [record for record in records if record.usage == DANE_TA]
    shown = [issuer for issuer in issuers if any(matches(record, issuer) for record in of_authorities)]
    whole = [record.data for record in of_authorities if (record.selector, record.matching) == (CERTIFICATE, EXACT)]
    return list(dict.fromkeys(shown + whole))


def whole_keys(records: Iterable[TLSA]) -> list[bytes]:
    """Return the keys of authorities that stand in records of usage DANE-TA, as SubjectPublicKeyInfo."""
    whole = (DANE_TA, PUBLIC_KEY, EXACT)
    return [record.data for record in records if (record.usage, record.selector, record.matching) == whole]


def matches(record: TLSA, certificate: bytes) -> bool:
    """Return whether a record means a certificate (RFC 6698 section 2.1)."""
    try:
        selected = certificate if record.selector == CERTIFICATE else public_key(certificate)
    except ValueError:
        return False
    return _FORMS[record.matching](selected) == record.data


def public_key(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo of a certificate, octet for octet.

    Raises:
        ValueError: it is no certificate.
    """
    place, _ = _inside(certificate, 0)
    place, _ = _inside(certificate, place)
    if certificate[place : place + 1] == bytes([_VERSION]):
        place = _end(certificate, place)
    for _ in range(_BEFORE_KEY):
        place = _end(certificate, place)
    _inside(certificate, place)
    return certificate[place : _end(certificate, place)]


def _inside(octets: bytes, place: int) -> tuple[int, int]:
    """Return where the content of the sequence at `place` begins and ends."""
    if octets[place : place + 1] != bytes([_SEQUENCE]):
        raise ValueError("not a sequence")
    return _content(octets, place)


def _end(octets: bytes, place: int) -> int:
    return _content(octets, place)[1]


def _content(octets: bytes, place: int) -> tuple[int, int]:
    """Return where the content of the element at `place` begins and ends (X.690, definite lengths)."""
    begin = place + 2
    if begin > len(octets):
        raise ValueError("cut off")
    size = octets[place + 1]
    if size >= 0x80:
        more = size & 0x7F
        size = int.from_bytes(octets[begin : begin + more], "big")
        begin += more
    if begin + size > len(octets):
        raise ValueError("cut off")
    return begin, begin + size
