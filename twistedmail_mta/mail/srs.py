"""Senders of forwarded mail, rewritten so that SPF lets it pass, and back again (Sender Rewriting Scheme; PURE).

A sender joe@a.example whose mail is forwarded at b.example becomes
`SRS0=hash=day=a.example=joe@b.example`.  What was rewritten elsewhere already
becomes `SRS1=hash=a.example==rest@c.example`, which names the first host that
did it: however many forward it, a report takes two steps back.

There is no RFC: the form is that of Shevek's paper "The Sender Rewriting
Scheme" and of the libraries in use, libsrs2 above all.  The hash, which nobody
else can check anyway, is our own: theirs is of 20 bits and hashes the parts
without anything between them, so that what was made for mbob@example.co is as
good for bob@example.com.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.model import Address

DAY: Final = 86400
DAYS: Final = 1024
"""The day is told as two digits of base32, so after that many they come again."""
MAX_AGE: Final = 21
"""Days after which an address is good no more; mail waits in queues for five, and reports again."""
HASH_LENGTH: Final = 8
"""Letters of a hash, of 5 bits each: some hosts write local parts in lower case."""
MAX_LOCAL: Final = 64
"""Octets of a local part (RFC 5321 section 4.5.3.1.1)."""

_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_FORM: Final = re.compile(r"SRS[01][=+-]", re.IGNORECASE | re.ASCII)
_KEY_OCTETS: Final = 10


class SRSError(Exception):
    """An address isn't one that was made here, or isn't good any more."""


def has_form(local: str) -> bool:
    """Return whether a local part looks like a rewritten sender's."""
    return _FORM.match(local) is not None


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Makes and reads addresses.

    Attributes:
        secrets: the first makes hashes, each is good for checking them; at least one.
    """

    secrets: tuple[bytes, ...] = field(repr=False)

    def rewritten(self, sender: Address, domain: str, now: float) -> Address:
        """Return what stands for a sender at a domain of ours.

        Its local part may be longer than `MAX_LOCAL`; see `fits` and `standing_for`.

        Args:
            sender: not the null one, and at no domain of ours.
            domain: in A-labels.
            now: seconds since the epoch.
        """
        kind = sender.local[:4].upper() if has_form(sender.local) else ""
        if kind == "SRS0":
            return self._once_more(sender.domain, sender.local[4:], domain)
        if kind == "SRS1":
            _, _, inner = sender.local[5:].partition("=")
            host, separator, rest = inner.partition("=")
            if host and separator and rest[:1] in ("=", "+", "-") and rest[1:]:
                return self._once_more(host, rest, domain)
        return self._made(sender.domain, sender.local, domain, now)

    def standing_for(self, key: str, domain: str, now: float) -> Address:
        """Return an address at a domain of ours that stands for a sender which is stored under a key."""
        return self._made("", key, domain, now)

    def key(self, sender: Address) -> str:
        """Return the key to store a sender under: always the same, of 16 letters and digits."""
        digest = hmac.digest(self.secrets[0], f"stored {sender}".encode(), "sha256")
        return b32encode(digest[:_KEY_OCTETS]).decode("ascii").lower()

    def original(self, local: str, now: float) -> Address:
        """Return the sender that a local part stands for.

        Of one that is stored it is the key, in lower case, without a domain.

        Args:
            local: for which `has_form` is true.
            now: seconds since the epoch.

        Raises:
            SRSError: it wasn't made here, or too long ago.
        """
        parts = local[5:].split("=", 3 if local[3] == "0" else 2)
        if local[3] == "1":
            if len(parts) != 3 or not parts[1]:
                raise SRSError("it has not the form of one")
            given, host, rest = parts
            self._check(given, "SRS1", host, rest)
            return Address(f"SRS0{rest}", host.lower())
        if len(parts) != 4:
            raise SRSError("it has not the form of one")
        given, day, host, rest = parts
        self._check(given, "SRS0", day, host, rest)
        if not _is_recent(day, now):
            raise SRSError(f"it is older than {MAX_AGE} days")
        return Address(rest, host.lower()) if host else Address(rest.lower(), "")

    def _made(self, host: str, local: str, domain: str, now: float) -> Address:
        day = _day(now)
        return Address(f"SRS0={_hash(self.secrets[0], 'SRS0', day, host, local)}={day}={host}={local}", domain)

    def _once_more(self, host: str, rest: str, domain: str) -> Address:
        return Address(f"SRS1={_hash(self.secrets[0], 'SRS1', host, rest)}={host}={rest}", domain)

    def _check(self, given: str, *parts: str) -> None:
        said = given.upper().encode()
        good = [hmac.compare_digest(said, _hash(each, *parts).encode()) for each in self.secrets]
        if not any(good):
            raise SRSError("its hash isn't ours")


def fits(address: Address) -> bool:
    """Return whether a local part is short enough for every host, as it is written."""
    written = str(address).removesuffix(f"@{address.domain}")
    return len(written.encode()) <= MAX_LOCAL


def _day(now: float) -> str:
    number = int(now // DAY) % DAYS
    return _BASE32[number // 32] + _BASE32[number % 32]


def _is_recent(day: str, now: float) -> bool:
    digits = [_BASE32.find(digit) for digit in day.upper()]
    if len(digits) != 2 or min(digits) < 0:
        return False
    return (int(now // DAY) - (digits[0] * 32 + digits[1])) % DAYS <= MAX_AGE


def _hash(secret: bytes, *parts: str) -> str:
    """Return the hash of parts of which none but the last holds "="; their case doesn't count."""
    digest = hmac.digest(secret, "=".join(parts).lower().encode(), "sha256")
    return b32encode(digest).decode("ascii")[:HASH_LENGTH]
