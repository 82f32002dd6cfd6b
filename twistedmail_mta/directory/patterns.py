"""Which addresses a login may use as envelope sender and in From."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from twistedmail_mta.directory.accounts import account_name, address_key
from twistedmail_mta.model import Address

NULL_SENDER: Final = "<>"
EVERYBODY: Final = "*@"
NO_SYNONYMS: Final[Mapping[str, str]] = MappingProxyType({})


def parse_pattern(text: str) -> str:
    """Return the one spelling of a `send_as` pattern.

    A pattern is `user@domain` (that address alone), `*@domain` (every address
    of that domain, none of its subdomains) or `<>` (the null sender).

    Raises:
        ValueError: it is none of the three.
    """
    text = text.strip()
    if text == NULL_SENDER:
        return NULL_SENDER
    try:
        if text.startswith(EVERYBODY):
            return EVERYBODY + account_name("x@" + text.removeprefix(EVERYBODY)).removeprefix("x@")
        return account_name(text)
    except ValueError:
        raise ValueError(f"not a pattern (user@domain, *@domain or <>): {text!r}") from None


@dataclass(frozen=True, slots=True)
class SenderRights:
    """The addresses one account may send as.

    Its own address always, with a subaddress (`user+list@domain`) too; beyond
    that what its patterns say.  Patterns don't cover subaddresses.  All of that
    holds at every name of a domain.

    Attributes:
        own: the account's address.
        patterns: in the spelling of `parse_pattern`.
        separators: characters of which each sets off a subaddress in the
            account's domain; empty when nothing does.
        synonyms: by other names of domains, the names that their addresses are known by.
    """

    own: str
    patterns: frozenset[str]
    separators: str = "+"
    synonyms: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def allow(self, address: Address) -> bool:
        """Return whether mail may come from `address`; the null path needs a pattern of its own."""
        if address.is_null:
            return NULL_SENDER in self.patterns
        if not address.local or not address.domain:
            return False
        meant = self.synonyms.get(address.domain)
        return self._allow(address) or (meant is not None and self._allow(Address(address.local, meant)))

    def _allow(self, address: Address) -> bool:
        key = address_key(address)
        return (
            key == self.own
            or key in self.patterns
            or EVERYBODY + address.domain in self.patterns
            or self._is_subaddress(key)
        )

    def _is_subaddress(self, key: str) -> bool:
        local, _, domain = self.own.rpartition("@")
        after = key[len(local) : len(local) + 1]
        return bool(after) and after in self.separators and key.startswith(local) and key.endswith("@" + domain)


def rights_of(
    own: str, patterns: Iterable[str], separators: Mapping[str, str], synonyms: Mapping[str, str] = NO_SYNONYMS
) -> SenderRights:
    """Return the rights of an account.

    Args:
        own: its address.
        patterns: its `send_as` patterns.
        separators: what sets off subaddresses, for each domain where it isn't "+".
        synonyms: as `SenderRights` has them.
    """
    return SenderRights(own, frozenset(patterns), separators.get(own.rpartition("@")[2], "+"), synonyms)
