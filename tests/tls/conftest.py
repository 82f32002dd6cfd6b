"""Certificates for tests of TLS."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from twistedmail_mta.config.site import CertificateTable
from twistedmail_mta.tls.certificates import write_self_signed


@pytest.fixture
def make_files(tmp_path: Path) -> Callable[[str], CertificateTable]:
    """Write a certificate and key for a name, and return where they are."""

    def make(name: str) -> CertificateTable:
        certificate, key = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        write_self_signed(certificate, key, [name], datetime.now(UTC))
        return CertificateTable.model_construct(certificate=certificate, key=key)

    return make
