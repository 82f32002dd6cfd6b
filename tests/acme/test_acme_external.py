"""The account that an authority's customer has: how ours is bound to it (RFC 8555 section 7.3.4)."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

pytest.importorskip("acme")

from acme.messages import Directory
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWK, JWKEC

from twistedmail_mta.acme.application import NotIssued
from twistedmail_mta.acme.authority import bound
from twistedmail_mta.config.acme import ExternalAccountTable

DIRECTORY = Directory({"newAccount": "https://ca.test/new"})


def key() -> JWK:
    return JWKEC(key=ec.generate_private_key(ec.SECP256R1()))


def test_what_is_signed(tmp_path: Path) -> None:
    """Our public key, for the authority's URL of new accounts, in the customer's name; nothing private is in it."""
    (tmp_path / "key").write_text("a2tr" * 8 + "\n")

    said = bound(ExternalAccountTable(id="customer", key_file=str(tmp_path / "key")), key(), DIRECTORY)

    header, payload = (urlsafe_b64decode(said[part] + "==") for part in ("protected", "payload"))
    assert all(text in header for text in (b"customer", b"https://ca.test/new", b"HS256"))
    assert b'"crv"' in payload
    assert b'"d"' not in payload


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "the key of the external account can't be read: "),
        ("*", "the key of the external account is no base64url"),
        ("\xe9", "the key of the external account is no base64url"),
        ("", "the key of the external account is no base64url"),
    ],
)
def test_what_is_wrong_with_its_key(tmp_path: Path, text: str | None, problem: str) -> None:
    """It is said as the reason for which nothing is issued, and the key itself isn't."""
    if text is not None:
        (tmp_path / "key").write_text(text, encoding="utf-8")

    with pytest.raises(NotIssued, match=problem):
        bound(ExternalAccountTable(id="customer", key_file=str(tmp_path / "key")), key(), DIRECTORY)


def test_no_such_variable() -> None:
    """Nor does a source that isn't there end in an exception of another kind."""
    with pytest.raises(NotIssued, match="the environment has no NO_SUCH_KEY"):
        bound(ExternalAccountTable(id="customer", key="env:NO_SUCH_KEY"), key(), DIRECTORY)
