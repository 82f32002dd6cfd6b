"""Hashes that other servers stored, as `{SCHEME}hash`: Dovecot's schemes, those of /etc/shadow, hMailServer's.

What is checked here is never written here: a password that matches is stored
anew as argon2id where it is ours to store.  Comparing takes up to a second:
call it on a thread.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Final

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from twistedmail_mta.directory.system_crypt import NoCrypt, system_crypt
from twistedmail_mta.sasl.preparation import opaque_string
from twistedmail_mta.sasl.scram_keys import derive_keys

Comparison = Callable[[str], bool]
"""Says whether a prepared password is the one; may raise `CannotCompare`."""

_PREFIX: Final = re.compile(r"\{([A-Z0-9-]+)(?:\.([A-Z0-9]+))?\}", re.ASCII | re.IGNORECASE)
_ARGON2: Final = PasswordHasher()
_LONGEST: Final = 2048
"""Characters of a stored hash."""
_LONGEST_FOR_CRYPT: Final = 511
"""Octets of a password that libcrypt takes."""
_MOST_ITERATIONS: Final = 10_000_000


class CannotCompare(Exception):
    """A password could be neither confirmed nor refuted."""


def comparison(stored: str) -> Comparison:
    """Return what compares passwords with a hash.

    Args:
        stored: `{SCHEME}hash`, or `{SCHEME.hex}hash` and `{SCHEME.b64}hash`;
            without a scheme it is crypt(3)'s, as in /etc/shadow, or argon2's.

    Raises:
        ValueError: nobody could log in with it; the text says why and doesn't show it.
    """
    if len(stored) > _LONGEST:
        raise ValueError("the hash is too long")
    prefix = _PREFIX.match(stored)
    if prefix is None and stored.startswith("{"):
        raise ValueError("the hash has an unreadable {SCHEME}")
    scheme, encoding = ((prefix[1] or "").upper(), (prefix[2] or "").lower()) if prefix else ("CRYPT", "")
    content = stored[prefix.end() :] if prefix else stored
    if not content:
        raise ValueError("the hash is empty")
    if scheme in _TEXTS:
        return _TEXTS[scheme](_octets(content, encoding).decode("utf-8") if encoding else content)
    if scheme in _DIGESTS:
        return _digest(content, encoding, *_DIGESTS[scheme])
    raise ValueError(f"the scheme {scheme} is unknown")


def scheme_matches(stored: str, prepared: str) -> bool:
    """Return whether a prepared password is the one that `stored` was made of.

    Raises:
        CannotCompare: the scheme is unknown, the hash damaged, or memory short.
    """
    try:
        compare = comparison(stored)
    except ValueError as error:
        raise CannotCompare(str(error)) from error
    return compare(prepared)


def argon2_matches(stored: str, prepared: str) -> bool:
    """Return whether a prepared password is the one that an argon2 hash was made of.

    Raises:
        CannotCompare: the hash is damaged, or memory is short.
    """
    try:
        return _ARGON2.verify(stored, prepared)
    except VerifyMismatchError:
        return False
    except (VerificationError, InvalidHashError) as error:
        raise CannotCompare(str(error)) from error


def _octets(content: str, encoding: str) -> bytes:
    try:
        if encoding == "hex":
            return bytes.fromhex(content)
        if encoding in ("b64", "base64"):
            return b64decode(content + "=" * (-len(content) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(f"the hash is not in {encoding}") from None
    raise ValueError(f"the encoding {encoding} is unknown")


def _plain(content: str) -> Comparison:
    wanted = opaque_string(content).encode("utf-8")
    return lambda prepared: hmac.compare_digest(prepared.encode("utf-8"), wanted)


def _argon2(content: str) -> Comparison:
    try:
        extract_parameters(content)
    except InvalidHashError:
        raise ValueError("the hash is not argon2's") from None
    return lambda prepared: argon2_matches(content, prepared)


_CRYPT: Final = re.compile(r"\$[a-z0-9-]+\$[!-9;-~]+|_?[./0-9A-Za-z]{13,20}", re.ASCII)


def _crypt(content: str) -> Comparison:
    """Read a hash of crypt(3); one that begins with "!" or "*" is locked, as in /etc/shadow."""
    if content.startswith("$argon2"):
        return _argon2(content)
    if content[0] in "!*":
        return lambda _: False
    if not _CRYPT.fullmatch(content):
        raise ValueError("the hash is none of crypt(3)")
    return partial(_crypt_matches, content.encode("ascii"))


def _crypt_matches(stored: bytes, prepared: str) -> bool:
    password = prepared.encode("utf-8")
    if len(password) > _LONGEST_FOR_CRYPT:
        return False
    try:
        return hmac.compare_digest(system_crypt(password, stored), stored)
    except NoCrypt as error:
        raise CannotCompare(str(error)) from error


def _pbkdf2(content: str) -> Comparison:
    """Read Dovecot's form: $1$salt$iterations$hex, with HMAC-SHA-1."""
    empty, version, salt, iterations, wanted = _split(content, "$", 5)
    digest = _octets(wanted, "hex")
    if empty or version != "1" or not digest:
        raise ValueError("the hash is not PBKDF2's")
    compute = partial(hashlib.pbkdf2_hmac, "sha1", salt=salt.encode(), iterations=_count(iterations), dklen=len(digest))
    return lambda prepared: hmac.compare_digest(compute(prepared.encode("utf-8")), digest)


def _scram(content: str) -> Comparison:
    """Read iterations, salt, stored key and server key of SCRAM-SHA-256."""
    iterations, salt, stored_key, _ = _split(content, ",", 4)
    derive = partial(derive_keys, salt=_octets(salt, "b64"), iterations=_count(iterations))
    wanted = _octets(stored_key, "b64")
    return lambda prepared: hmac.compare_digest(derive(prepared).stored_key, wanted)


def _split(content: str, separator: str, count: int) -> list[str]:
    parts = content.split(separator)
    if len(parts) != count:
        raise ValueError(f"the hash has {len(parts)} parts instead of {count}")
    return parts


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not 0 < number <= _MOST_ITERATIONS:
        raise ValueError("the hash has an impossible number of iterations")
    return number


def _digest(content: str, encoding: str, algorithm: str, salted: bool) -> Comparison:
    """Read a digest, behind it its salt; without an encoding hex is told from base64 by its length."""
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    guess = "hex" if not salted and len(content) == 2 * size else "b64"
    octets = _octets(content, encoding or guess)
    if len(octets) < size or salted != (len(octets) > size):
        raise ValueError(f"the hash has {len(octets)} octets, which doesn't fit its scheme")
    wanted, salt = octets[:size], octets[size:]
    return lambda prepared: hmac.compare_digest(
        hashlib.new(algorithm, prepared.encode("utf-8") + salt).digest(), wanted
    )


def _hmailserver(content: str) -> Comparison:
    """Read hMailServer's form of SHA-256: six letters of salt, then the hex digest of them and the password."""
    salt, digest = content[:6].encode("utf-8"), _octets(content[6:], "hex")
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError("the hash is not hMailServer's")
    return lambda prepared: hmac.compare_digest(hashlib.sha256(salt + prepared.encode("utf-8")).digest(), digest)


_TEXTS: Final[dict[str, Callable[[str], Comparison]]] = {
    "ARGON2": _argon2,
    "ARGON2I": _argon2,
    "ARGON2ID": _argon2,
    "BCRYPT": _crypt,
    "BLF-CRYPT": _crypt,
    "CLEAR": _plain,
    "CLEARTEXT": _plain,
    "CRYPT": _crypt,
    "DES-CRYPT": _crypt,
    "HMAILSERVER": _hmailserver,
    "MD5": _crypt,
    "MD5-CRYPT": _crypt,
    "PBKDF2": _pbkdf2,
    "PLAIN": _plain,
    "SCRAM-SHA-256": _scram,
    "SHA256-CRYPT": _crypt,
    "SHA512-CRYPT": _crypt,
}
_DIGESTS: Final[dict[str, tuple[str, bool]]] = {
    "LDAP-MD5": ("md5", False),
    "PLAIN-MD5": ("md5", False),
    "SHA": ("sha1", False),
    "SHA1": ("sha1", False),
    "SHA256": ("sha256", False),
    "SHA512": ("sha512", False),
    "SMD5": ("md5", True),
    "SSHA": ("sha1", True),
    "SSHA256": ("sha256", True),
    "SSHA512": ("sha512", True),
}
"""The digest, and whether a salt follows it."""
