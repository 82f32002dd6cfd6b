"""A key in the DNS as a value (RFC 6376 section 3.6.1), and signatures held against it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from twistedmail_mta.dkim.results import Unverified
from twistedmail_mta.dkim.tags import TagError, from_base64, parse_tags, parts_of

Kind = Literal["rsa", "ed25519"]

LEAST_BITS: Final = 1024
MOST_BITS: Final = 4096
MAIL: Final = frozenset({b"*", b"email"})
"""What a key has to be for, so that it may sign any mail."""
TLS_REPORTS: Final = frozenset({b"tlsrpt", *MAIL})
"""What one has to be for, so that it may sign mail with reports about TLS (RFC 8460 section 3)."""
_MOST_EXPONENT_BITS: Final = 64
_MOST_RECORD: Final = 8192
"""Octets; a key of 4096 bits has 736 letters."""
_PREHASHED: Final = Prehashed(SHA256())


@dataclass(frozen=True, slots=True)
class Key:
    """What a record says, as far as it counts; notes (n=) and what is not known are passed over.

    Attributes:
        kind: of key.
        public: RSA: a SubjectPublicKeyInfo; Ed25519: 32 octets (RFC 8463 section 4).
        testing: t=y.
        strict: t=s: i= must have the domain of d=, not one below it.
    """

    kind: Kind
    public: bytes
    testing: bool = False
    strict: bool = False


def parse_key(record: bytes, services: frozenset[bytes] = MAIL) -> Key:
    """Return the key in a record, if signatures of mail by SHA-256 may be held against it.

    Args:
        record: the text.
        services: it must be for one of them.

    Raises:
        Unverified: it is no key, revoked, or for something else.
    """
    if len(record) > _MOST_RECORD:
        raise Unverified("permerror", "key record too long")
    try:
        tags = parse_tags(record)
    except TagError as error:
        raise Unverified("permerror", f"key record: {error}") from error
    if b"v" in tags and (tags[b"v"] != b"DKIM1" or next(iter(tags)) != b"v"):
        raise Unverified("permerror", "version of the key record not known")
    if b"h" in tags and b"sha256" not in (part.lower() for part in parts_of(tags[b"h"])):
        raise Unverified("permerror", "key isn't for SHA-256")
    if b"s" in tags and not services & {part.lower() for part in parts_of(tags[b"s"])}:
        raise Unverified("permerror", "key isn't for mail")
    flags = {part.lower() for part in parts_of(tags.get(b"t", b""))}
    return Key(_kind(tags.get(b"k", b"rsa")), _public(tags.get(b"p")), b"y" in flags, b"s" in flags)


def _kind(value: bytes) -> Kind:
    match value.lower():
        case b"rsa":
            return "rsa"
        case b"ed25519":
            return "ed25519"
    raise Unverified("permerror", "kind of key not known")


def _public(value: bytes | None) -> bytes:
    if value is None:
        raise Unverified("permerror", "key record without p=")
    if not value:
        raise Unverified("permerror", "key revoked")
    try:
        return from_base64(value)
    except TagError as error:
        raise Unverified("permerror", "key is no base64") from error


def verify(key: Key, algorithm: str, value: bytes, digest: bytes) -> None:
    """Hold a signature against a key; a plain function, which may run on any thread.

    Args:
        key: whose it should be.
        algorithm: of the signature.
        value: the signature.
        digest: SHA-256 of what was signed.

    Raises:
        Unverified: it isn't by that key (fail), the key is too weak or too long (policy), or is none (permerror).
    """
    if f"{key.kind}-sha256" != algorithm:
        raise Unverified("permerror", "key is of another kind than the signature")
    public = _loaded(key.kind, key.public)
    try:
        if isinstance(public, Ed25519PublicKey):
            public.verify(value, digest)  # RFC 8463 section 3: PureEdDSA of the hash
        else:
            public.verify(value, digest, PKCS1v15(), _PREHASHED)
    except (InvalidSignature, ValueError) as error:
        raise Unverified("fail", "signature doesn't verify") from error


@lru_cache(maxsize=256)  # much mail is from the same few hundred domains
def _loaded(kind: Kind, public: bytes) -> RSAPublicKey | Ed25519PublicKey:
    try:
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(public)
        loaded = load_der_public_key(public)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unverified("permerror", "key can't be read") from error
    if not isinstance(loaded, RSAPublicKey):
        raise Unverified("permerror", "key can't be read")
    _demand_strength(loaded)
    return loaded


def _demand_strength(key: RSAPublicKey) -> None:
    """Refuse keys that prove nothing, and those that only cost time (RFC 8301 section 3.2)."""
    if key.key_size < LEAST_BITS:
        raise Unverified("policy", f"RSA key of {key.key_size} bits is too weak")
    if key.key_size > MOST_BITS or key.public_numbers().e.bit_length() > _MOST_EXPONENT_BITS:
        raise Unverified("policy", "RSA key is longer than any in use")
