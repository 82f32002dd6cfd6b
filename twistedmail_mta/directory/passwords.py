"""What is stored of a password, and the slow functions that make and check it.

The slow functions take tens of milliseconds: call them on a thread, never on
the reactor's.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final

from argon2 import PasswordHasher, Type

from twistedmail_mta.directory.schemes import argon2_matches, scheme_matches
from twistedmail_mta.sasl.preparation import opaque_string
from twistedmail_mta.sasl.scram_keys import ScramKeys, derive_keys


@dataclass(frozen=True, slots=True)
class Cost:
    """How much work a password takes, for us and for whoever steals the database.

    Attributes:
        passes: argon2's time cost.
        memory: argon2's memory, in KiB.
        scram_iterations: of SCRAM's PBKDF2; at least 4096 (RFC 7677 section 4).
    """

    passes: int = 2
    memory: int = 19456
    scram_iterations: int = 50_000


@dataclass(frozen=True, slots=True)
class StoredPassword:
    """What is kept of a password.

    Attributes:
        hash: argon2id with its salt and cost, in the usual encoding, or what
            another server stored, with its {SCHEME}.
        scram: the keys for SCRAM-SHA-256; None when the password itself was
            never seen here.
    """

    hash: str = field(repr=False)
    scram: ScramKeys | None


DEFAULT_COST: Final = Cost()
_SALT_LENGTH: Final = 16
_HASH_LENGTH: Final = 32


class PasswordHash:
    """Makes and checks stored passwords of one cost; safe on several threads.

    Attributes:
        dummy: a hash of that cost which no password matches, to do the same
            work for a name that doesn't exist.
    """

    __slots__ = ("_argon2", "_cost", "dummy")

    def __init__(self, cost: Cost = DEFAULT_COST) -> None:
        self._cost = cost
        self._argon2 = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory,
            parallelism=1,
            hash_len=_HASH_LENGTH,
            salt_len=_SALT_LENGTH,
            type=Type.ID,
        )
        self.dummy = (
            f"$argon2id$v=19$m={cost.memory},t={cost.passes},p=1"
            f"${_unpadded(secrets.token_bytes(_SALT_LENGTH))}${_unpadded(secrets.token_bytes(_HASH_LENGTH))}"
        )

    def store(self, password: str) -> StoredPassword:
        """Return what to keep of a password that somebody chose.

        Raises:
            ValueError: it can't be a password; the text says why.
        """
        prepared = opaque_string(password)
        salt = secrets.token_bytes(_SALT_LENGTH)
        return StoredPassword(
            hash=self._argon2.hash(prepared), scram=derive_keys(prepared, salt, self._cost.scram_iterations)
        )

    def matches(self, stored: str, prepared: str) -> bool:
        """Return whether a prepared password is the one `stored` was made of.

        Args:
            stored: argon2's, or another server's with its {SCHEME}.
            prepared: as `opaque_string` returns it.

        Raises:
            CannotCompare: `stored` is damaged, or memory is short.
        """
        compare = scheme_matches if stored.startswith("{") else argon2_matches
        return compare(stored, prepared)

    def is_outdated(self, stored: StoredPassword) -> bool:
        """Return whether a matching password should be stored anew, at today's cost."""
        if stored.scram is None or stored.scram.iterations < self._cost.scram_iterations:
            return True
        return self._argon2.check_needs_rehash(stored.hash)


def _unpadded(octets: bytes) -> str:
    return b64encode(octets).decode("ascii").rstrip("=")
