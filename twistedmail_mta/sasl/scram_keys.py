"""The keys that let a server check SCRAM-SHA-256 without knowing the password (RFC 5802, RFC 7677)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from twistedmail_mta.sasl.preparation import saslprep


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What is stored of a password (RFC 5802 section 3).

    Attributes:
        salt: random, new with every password.
        iterations: of PBKDF2; clients compute as many at each login.
        stored_key: the hash of the client's key; proves the client.
        server_key: proves the server.
    """

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def derive_keys(password: str, salt: bytes, iterations: int) -> ScramKeys:
    """Compute the keys of a password; takes milliseconds, so on a thread.

    A password that SASLprep forbids is taken as it is: clients differ there,
    and its owner can still log in by the other mechanisms.
    """
    try:
        normal = saslprep(password)
    except ValueError:
        normal = password
    salted = hashlib.pbkdf2_hmac("sha256", normal.encode("utf-8"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return ScramKeys(salt, iterations, hashlib.sha256(client_key).digest(), server_key)
