"""Passwords are compared in one form, and SCRAM keys are those that clients compute."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scramp import ScramClient, ScramMechanism
from scramp.core import ScramException
from scramp.utils import saslprep as scramp_saslprep

from twistedmail_mta.sasl.preparation import MAX_PASSWORD, opaque_string, saslprep
from twistedmail_mta.sasl.scram_keys import ScramKeys, derive_keys

SALT = bytes(range(16))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("correct horse battery staple", "correct horse battery staple"),
        ("Correct Horse", "Correct Horse"),
        ("\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"),
        ("Jack of \u2666s", "Jack of \u2666s"),
        ("foo\u1680bar", "foo bar"),
        ("a\u00a0b\u3000c", "a b c"),
        ("e\u0301", "\u00e9"),
        (" ", " "),
        ("\uff21", "\uff21"),
    ],
)
def test_opaque_string(given: str, expected: str) -> None:
    """The examples of RFC 8265 section 4.3, and other spaces, accents and widths."""
    assert opaque_string(given) == expected


@pytest.mark.parametrize(
    "password", ["", "my cat is a \x09by", "\x00", "a\x7f", "ä\x85", "x" * (MAX_PASSWORD + 1), "\ud800"]
)
def test_opaque_string_refuses(password: str) -> None:
    """Empty, control characters, too long, or nothing that UTF-8 can carry."""
    with pytest.raises(ValueError):
        opaque_string(password)


def test_longest_password_counts_octets() -> None:
    """The bound is in octets, so that it bounds the work."""
    assert opaque_string("x" * MAX_PASSWORD)
    assert opaque_string("ä" * (MAX_PASSWORD // 2))
    with pytest.raises(ValueError):
        opaque_string("ä" * (MAX_PASSWORD // 2 + 1))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=40))
def test_opaque_string_is_a_normal_form(password: str) -> None:
    """Preparing twice changes nothing, or the form could not be compared."""
    try:
        once = opaque_string(password)
    except ValueError:
        return
    assert opaque_string(once) == once


@pytest.mark.parametrize(
    ("given", "expected"), [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX")]
)
def test_saslprep_examples(given: str, expected: str) -> None:
    """RFC 4013 section 3."""
    assert saslprep(given) == expected


@pytest.mark.parametrize("password", ["\u0007", "\u0627\u0031", "", "\u00ad", "\U0001f600"])
def test_saslprep_refuses(password: str) -> None:
    """RFC 4013 section 3, nothing left, and code points unknown to Unicode 3.2."""
    with pytest.raises(ValueError):
        saslprep(password)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.text(st.characters(max_codepoint=0x2FFF), max_size=8))
def test_saslprep_agrees_with_another(password: str) -> None:
    """An implementation that nobody here wrote gives the same or refuses too."""
    try:
        expected: str | None = scramp_saslprep(password) or None
    except ScramException:
        expected = None
    try:
        prepared: str | None = saslprep(password)
    except ValueError:
        prepared = None
    assert prepared == expected


def test_keys_of_the_published_example() -> None:
    """With the exchange of RFC 7677 section 3, proof and signature come out as printed there."""
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    first, final = "n=user,r=rOprNGfwEbeRWgbNEkqO", f"c=biws,r={nonce}"
    told = f"{first},r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,{final}".encode()

    keys = derive_keys("pencil", b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)

    assert b64encode(hmac.digest(keys.server_key, told, "sha256")) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    proof = b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(keys.stored_key, told, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == keys.stored_key


def exchange(password: str, keys: ScramKeys) -> None:
    """Log a client of another make in at a server of another make that knows only the keys."""
    server = ScramMechanism("SCRAM-SHA-256").make_server(
        lambda _: (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
    )
    client = ScramClient(["SCRAM-SHA-256"], "tim@example.org", password)
    server.set_client_first(client.get_client_first())
    client.set_server_first(server.get_server_first())
    server.set_client_final(client.get_client_final())
    client.set_server_final(server.get_server_final())


@pytest.mark.parametrize("password", ["pencil", "a b", "\u00e9t\u00e9", "e\u0301te\u0301", "\u2168\u00a0\u00aa"])
def test_keys_serve_other_implementations(password: str) -> None:
    """Both sides of another implementation agree over the keys, whatever form the password was typed in."""
    exchange(password, derive_keys(opaque_string(password), SALT, 4096))


def test_wrong_password_fails_against_keys() -> None:
    """Keys prove the password, not just the form of the exchange."""
    with pytest.raises(ScramException):
        exchange("pencil", derive_keys("pen", SALT, 4096))


def test_password_that_saslprep_forbids_still_has_keys() -> None:
    """A newer code point than Unicode 3.2 doesn't stop an account from getting its keys."""
    assert derive_keys("\U0001f600", SALT, 4096) != derive_keys("\U0001f601", SALT, 4096)


def test_keys_are_not_shown() -> None:
    """A log line with the keys in it doesn't help whoever steals it."""
    keys = derive_keys("pencil", SALT, 4096)

    assert repr(keys.stored_key) not in repr(keys)
    assert repr(keys.server_key) not in repr(keys)
