"""Certificates made to order: chains as hosts show them, right and wrong ones."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from OpenSSL import SSL

from twistedmail_mta.dane.records import TLSA

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def record(self, usage: int, selector: int = 1, matching: int = 1) -> TLSA:
        """Return a TLSA record that means this certificate."""
        octets = self.spki if selector else self.der
        forms = {0: octets, 1: hashlib.sha256(octets).digest(), 2: hashlib.sha512(octets).digest()}
        return TLSA(usage, selector, matching, forms[matching])


def made(
    subject: str,
    issuer: Made | None = None,
    *,
    names: Sequence[str] = (),
    is_authority: bool = False,
    age: int = 1,
    days: int = 10,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Made:
    """Make a certificate.

    Args:
        subject: its common name.
        issuer: who signs it; None: itself.
        names: of the extension subjectAltName.
        is_authority: it may sign others.
        age: days since it became valid.
        days: how many days it is valid in all.
        key: its key; None: a new one.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
    begin = datetime.now(UTC) - age * DAY
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + days * DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), False)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def server_context(leaf: Made, *above: Made) -> SSL.Context:
    """Return the context of a server that shows a chain."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(leaf.certificate)
    context.use_privatekey(leaf.key)
    for each in above:
        context.add_extra_chain_cert(each.certificate)
    return context


def chain_file(path: Path, leaf: Made, *above: Made) -> Path:
    """Write a key and a chain, as servers read them."""
    path.write_bytes(b"".join([leaf.key_pem, leaf.pem, *(each.pem for each in above)]))
    path.chmod(0o644)
    return path
