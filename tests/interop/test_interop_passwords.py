"""Passwords that Dovecot's own command has stored."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from twistedmail_mta.directory.passwd_file import parse_passwords
from twistedmail_mta.directory.schemes import scheme_matches

DOVEADM = shutil.which("doveadm") or "/usr/bin/doveadm"
SCHEMES = [
    "ARGON2I",
    "ARGON2ID",
    "BLF-CRYPT",
    "CLEAR",
    "CLEARTEXT",
    "CRYPT",
    "DES-CRYPT",
    "LDAP-MD5",
    "MD5",
    "MD5-CRYPT",
    "PBKDF2",
    "PLAIN",
    "PLAIN-MD5",
    "SCRAM-SHA-256",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA256-CRYPT",
    "SHA512",
    "SHA512-CRYPT",
    "SMD5",
    "SSHA",
    "SSHA256",
    "SSHA512",
]
ENCODED = [f"{scheme}.{encoding}" for scheme in ("PLAIN", "SSHA", "SHA512", "PBKDF2") for encoding in ("b64", "hex")]

pytestmark = pytest.mark.skipif(
    not Path(DOVEADM).exists(), reason="not installed: Dovecot (tests/interop/install-peers.sh installs it)"
)


def doveadm(*arguments: str) -> str:
    command = [DOVEADM, "-c", "/dev/null", "pw", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@cache
def offered() -> list[str]:
    return doveadm("-l").split()


@pytest.mark.parametrize("scheme", [*SCHEMES, *ENCODED])
def test_hashes_of_dovecot(scheme: str) -> None:
    """What it stores in a file is read from that file, and matches its password and no other."""
    if scheme.partition(".")[0] not in offered():
        pytest.skip(f"this Dovecot has no {scheme}")
    password = secrets.token_urlsafe(9) + " pässwörd"
    stored = doveadm("-s", scheme, "-p", password).rstrip("\n")

    found = parse_passwords(f"tim@example.org:{stored}:1000:1000::/home/tim::\n".encode(), None)

    assert found.mistakes == ()
    assert scheme_matches(found.hashes["tim@example.org"], password)
    assert not scheme_matches(found.hashes["tim@example.org"], "x" + password)
