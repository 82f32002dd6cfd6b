"""Domains that this host keeps mail for, and how their addresses are read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.directory.accounts import folded_local
from twistedmail_mta.model import Address

OverQuota = Literal["defer", "reject"]

ROLES: Final = frozenset(("postmaster", "abuse", "mailer-daemon"))
"""Addresses that every domain has, whatever the case of their letters.

The first two are owed to others (RFC 5321 section 4.5.1, RFC 2142); the last is
whom our own reports are from, and people answer them.
"""


@dataclass(frozen=True, slots=True)
class HostedDomain:
    """A domain that this host keeps mail for.

    Attributes:
        name: in A-labels.
        alias_of: the domain whose addresses these are too; None for one of its own.
        subaddress: characters of which each sets off a subaddress; empty when nothing does.
        case_sensitive: whether the case of letters tells local parts apart
            (RFC 5321 section 2.4); it never counts in those of `ROLES`.
        quota: octets in each account that has no quota of its own; None: no limit.
        quota_messages: the same for the number of messages.
        over_quota: whether mail over the quota is deferred or refused for good.
    """

    name: str
    alias_of: str | None = None
    subaddress: str = "+"
    case_sensitive: bool = False
    quota: int | None = None
    quota_messages: int | None = None
    over_quota: OverQuota = "defer"

    def key(self, local: str) -> str:
        """Return the one spelling of an address here, by which it is told from others."""
        return f"{exact_local(local) if self._case_counts(local) else folded_local(local)}@{self.name}"

    def means(self, address: str, local: str) -> bool:
        """Return whether mail to `local` is for a stored address; their folded spellings are the same already."""
        return not self._case_counts(local) or address == f"{exact_local(local)}@{self.name}"

    def _case_counts(self, local: str) -> bool:
        return self.case_sensitive and local.lower() not in ROLES

    def bases(self, local: str) -> Iterator[tuple[str, str]]:
        """Yield the ways to part a local part from its subaddress: first none, then the longest base first.

        The second of each pair begins with what sets it off, or is empty.
        """
        yield local, ""
        for place in range(len(local) - 1, 0, -1):
            if local[place] in self.subaddress:
                yield local[:place], local[place:]


def exact_local(local: str) -> str:
    """Return a local part whose case counts, in one spelling."""
    return local if local.isascii() else unicodedata.normalize("NFC", local)


def is_role(address: Address) -> bool:
    """Return whether every domain has the address."""
    return address.local.lower() in ROLES
