"""Logins that were judged lately, so that a client which comes again costs no argon2."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.directory.accounts import Account
from twistedmail_mta.directory.expiring import ExpiringMap

LIFETIME: Final = 300.0
"""Seconds for which a verdict counts that nothing has shaken."""
MAX_LOGINS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is that of an account, as of one version of it.

    Attributes:
        account_id: the account; 0 when there was none of that name.
        credential_version: of the password it was compared with.
        is_right: whether it matched.
    """

    account_id: int
    credential_version: int
    is_right: bool

    def fits(self, account: Account | None) -> bool:
        """Return whether the account still is what was judged."""
        if account is None:
            return self.account_id == 0
        return (self.account_id, self.credential_version) == (account.id, account.credential_version)


NOBODY: Final = Verdict(account_id=0, credential_version=0, is_right=False)
"""On a name that no account has."""


class RememberedLogins:
    """Verdicts on names and passwords, for a few minutes.

    Neither is kept: the key is an HMAC of both with a secret of this process.
    A verdict says nothing about what the account may do now, or whether its
    password was changed since: the account is read anew each time.

    Wrong ones are remembered too, apart from the right ones.  The same wrong
    password again is no new guess, but a program which nobody told that the
    password was changed.
    """

    __slots__ = ("_right", "_secret", "_wrong")

    def __init__(self, clock: IReactorTime, secret: bytes, size: int = MAX_LOGINS) -> None:
        """Make an empty memory.

        Args:
            clock: tells the time.
            secret: random octets of this process, at least 32.
            size: verdicts of each kind at most.
        """
        self._secret = secret
        self._right: ExpiringMap[bytes, Verdict] = ExpiringMap(clock, LIFETIME, size)
        self._wrong: ExpiringMap[bytes, Verdict] = ExpiringMap(clock, LIFETIME, size)

    def key(self, name: str, password: str, generation: int) -> bytes:
        """Return what stands for a name and a prepared password; neither holds a NUL.

        Args:
            name: the account's.
            password: as `opaque_string` returns it.
            generation: of those who judge; a verdict isn't recalled under another one.
        """
        return hmac.digest(self._secret, f"{generation}\0{name}\0{password}".encode(), "sha256")

    def recall(self, key: bytes) -> Verdict | None:
        """Return the verdict, or None if there is none."""
        return self._right.get(key) or self._wrong.get(key)

    def remember(self, key: bytes, verdict: Verdict, seconds: float = LIFETIME) -> None:
        """Keep a verdict in place of the one there was."""
        self._right.drop(key)
        self._wrong.drop(key)
        (self._right if verdict.is_right else self._wrong).put(key, verdict, seconds)
