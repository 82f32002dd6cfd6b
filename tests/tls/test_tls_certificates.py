"""Reading and judging certificates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from twistedmail_mta.config.site import CertificateTable
from twistedmail_mta.tls.certificates import (
    CertificateError,
    Identity,
    read_identity,
    shortcomings,
    write_self_signed,
)

MakeFiles = Callable[[str], CertificateTable]


def identity_for(make_files: MakeFiles, name: str) -> Identity:
    files = make_files(name)
    return read_identity(files.certificate, files.key)


def test_self_signed_certificate_serves(tmp_path: Path) -> None:
    """Names and addresses are in it, it is valid now, and only its owner reads the key."""
    now = datetime.now(UTC)
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"

    write_self_signed(certificate, key, ["localhost", "127.0.0.1"], now)

    identity = read_identity(certificate, key)
    assert identity.names == ("localhost",)
    assert list(shortcomings(identity, ["localhost"], now)) == []
    assert key.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.pem", "k.pem"]


def test_wildcard_covers_one_label(make_files: MakeFiles) -> None:
    """`*.example.org` is for mail.example.org, not for the domain itself or two labels more."""
    identity = identity_for(make_files, "*.example.org")

    assert identity.covers("mail.example.org")
    assert not identity.covers("example.org")
    assert not identity.covers("a.mail.example.org")


def test_shortcomings_by_time_and_name(make_files: MakeFiles) -> None:
    """What a client would complain of is told, and what it will complain of soon."""
    identity = identity_for(make_files, "mail.example.org")
    end = identity.certificate.not_valid_after_utc

    def told(now: datetime, host: str = "mail.example.org") -> str:
        return "; ".join(shortcomings(identity, [host], now))

    assert told(end - timedelta(days=15)) == ""
    assert told(end - timedelta(days=13)).startswith("expires on ")
    assert told(end + timedelta(days=1)).startswith("expired on ")
    assert told(identity.certificate.not_valid_before_utc - timedelta(days=1)).startswith("is not valid before ")
    assert told(end - timedelta(days=99), "mx.example.org") == "is not for mx.example.org, only for mail.example.org"


def test_key_of_another_certificate(make_files: MakeFiles) -> None:
    """A pair that doesn't match is refused before OpenSSL sees it."""
    one, other = make_files("one.example"), make_files("other.example")

    with pytest.raises(CertificateError, match="is not the key of the certificate"):
        read_identity(one.certificate, other.key)


def test_encrypted_key(make_files: MakeFiles) -> None:
    """A key with a passphrase is refused with words, instead of asking on the terminal."""
    files = make_files("mail.example.org")
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    files.key.write_bytes(pem)

    with pytest.raises(CertificateError, match="is encrypted"):
        read_identity(files.certificate, files.key)


@pytest.mark.parametrize("which", ["certificate", "key"])
@pytest.mark.parametrize("content", [b"", b"junk", b"\xff\x00", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_files_of_another_kind(make_files: MakeFiles, which: str, content: bytes) -> None:
    """Junk in either file is told, never raised as something else."""
    files = make_files("mail.example.org")
    getattr(files, which).write_bytes(content)

    with pytest.raises(CertificateError, match="holds no PEM"):
        read_identity(files.certificate, files.key)
