"""Certificates and keys: reading, checking, and a self-signed one for the trial site."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from twistedmail_mta.private_file import write_private

EXPIRES_SOON: Final = timedelta(days=14)
_TRIAL_YEARS: Final = timedelta(days=3650)
_MAX_COMMON_NAME: Final = 64


class CertificateError(Exception):
    """A certificate or key file can't be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server shows in a handshake.

    Attributes:
        chain: the certificate, then those that lead to its issuer.
        key: the private key of the first one.
    """

    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes

    @property
    def certificate(self) -> x509.Certificate:
        """The server's own certificate."""
        return self.chain[0]

    @property
    def is_self_signed(self) -> bool:
        """Whether nobody else vouches for it."""
        return self.certificate.issuer == self.certificate.subject

    @property
    def names(self) -> tuple[str, ...]:
        """The DNS names the certificate is for, in lower case; wildcards as written."""
        try:
            extension = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return ()
        return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))

    def covers(self, host: str) -> bool:
        """Whether the certificate is for `host` (RFC 9525 section 6.3: one label per wildcard)."""
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names


def read_identity(certificate: Path, key: Path) -> Identity:
    """Read a PEM chain and its PEM key.

    Raises:
        CertificateError: a file is missing, unreadable or of another kind, or
            the key belongs to another certificate.
    """
    return identity_of(_read(certificate), _read(key), certificate, key)


def identity_of(certificates: bytes, private_key: bytes, certificate: object, key: object) -> Identity:
    """Make an identity of a PEM chain and a PEM key; each may stand among other things.

    Args:
        certificates: the chain.
        private_key: the key.
        certificate: where the chain is from, for errors.
        key: where the key is from, likewise.

    Raises:
        CertificateError: one is of another kind, or the key belongs to another certificate.
    """
    identity = Identity(_chain(certificates, certificate), _key(private_key, key))
    if _public(identity.key.public_key()) != _public(identity.certificate.public_key()):
        raise CertificateError(f"{key} is not the key of the certificate in {certificate}")
    return identity


def read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    """Read a PEM chain.

    Raises:
        CertificateError: the file is missing, unreadable or of another kind.
    """
    return _chain(_read(path), path)


def shortcomings(identity: Identity, hosts: Sequence[str], now: datetime) -> Iterator[str]:
    """Yield what clients would complain of, or soon will.

    Args:
        identity: certificate and key.
        hosts: names that clients connect to.
        now: the time, with its zone.
    """
    certificate = identity.certificate
    if now < certificate.not_valid_before_utc:
        yield f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if now > certificate.not_valid_after_utc:
        yield f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    elif now > certificate.not_valid_after_utc - EXPIRES_SOON:
        yield f"expires on {certificate.not_valid_after_utc:%Y-%m-%d}"
    for host in hosts:
        if not identity.covers(host):
            yield f"is not for {host}, only for {', '.join(identity.names) or 'no name at all'}"


def write_self_signed(certificate: Path, key: Path, names: Sequence[str], now: datetime) -> None:
    """Make a key and a certificate that nobody else vouches for, and write both.

    Args:
        certificate: where the certificate goes.
        key: where the key goes; readable for its owner only.
        names: DNS names and IP addresses it is for; the first is its subject.
        now: valid from a day before.
    """
    identity = self_signed(names, now)
    write_private(key, key_pem(identity.key))
    write_private(certificate, identity.certificate.public_bytes(serialization.Encoding.PEM))


def self_signed(names: Sequence[str], now: datetime, *extensions: x509.ExtensionType) -> Identity:
    """Make a key and a certificate that nobody else vouches for.

    Args:
        names: DNS names and IP addresses it is for; the first is its subject.
        now: valid from a day before.
        extensions: critical ones to add.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    return Identity((_signed(private, names, now, extensions),), private)


def _signed(
    private: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime, extensions: Iterable[x509.ExtensionType]
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:_MAX_COMMON_NAME])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(days=1))
        .not_valid_after(now.astimezone(UTC) + _TRIAL_YEARS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(private, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def key_pem(private: PrivateKeyTypes) -> bytes:
    """Return a private key in PEM form, not encrypted."""
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _chain(text: bytes, path: object) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(text))
    except ValueError as error:
        raise CertificateError(f"{path} holds no PEM certificate") from error


def _key(text: bytes, path: object) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(text, password=None)
    except TypeError as error:
        raise CertificateError(f"{path} is encrypted: the server has nobody to ask for its passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{path} holds no PEM private key") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} can't be read: {error.strerror}") from error


def _public(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined,no-any-return] # every public key type has it
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo,
    )
