"""Keys are made, and said in the form in which the DNS has them (RFC 6376 section 3.6, RFC 8463 section 4)."""

from __future__ import annotations

import base64
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from twistedmail_mta.dkim.keys import Kind
from twistedmail_mta.dkim.signing import PrivateKey

RSA_BITS: Final = 2048
"""What all verifiers know, and whose record fits into an answer by UDP."""
TTL: Final = 3600
"""Seconds for which others may keep a record."""
MOST_STRING: Final = 255
"""Octets of one string of a TXT record (RFC 1035 section 3.3)."""


def new_key(kind: Kind) -> PrivateKey:
    """Make a key; with RSA it takes a good part of a second."""
    return Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(65537, RSA_BITS)


def stored(key: PrivateKey) -> bytes:
    """Return a private key as it is kept."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def loaded(octets: bytes) -> PrivateKey:
    """Return a private key that was kept.

    Raises:
        ValueError: it is none.
    """
    # Checking that its primes are primes takes a hundred times as long as signing; we made it.
    key = load_der_private_key(octets, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("no key that signs mail")  # noqa: TRY004 - what is stored is wrong, not a type
    return key


def public_octets(key: PrivateKey) -> bytes:
    """Return what p= says of a key, before base64."""
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key().public_bytes_raw()
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def record_text(kind: Kind, public: bytes) -> str:
    """Return the text of a key's record."""
    return f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"


def zone_text(name: str, text: str) -> str:
    """Return a TXT record as a zone file has it, long texts cut into strings (RFC 1035 section 5.1)."""
    escaped = [
        text[begin : begin + MOST_STRING].replace("\\", "\\\\").replace('"', '\\"')
        for begin in range(0, len(text), MOST_STRING)
    ]
    if len(escaped) == 1:
        return f'{name}. {TTL} IN TXT "{escaped[0]}"'
    strings = "\n".join(f'    "{each}"' for each in escaped)
    return f"{name}. {TTL} IN TXT (\n{strings}\n)"
