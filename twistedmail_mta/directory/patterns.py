"""Which addresses a login may use as envelope sender and in From."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.directory.accounts import account_name, address_key
from twistedmail_mta.model import Address

NULL_SENDER: Final = "<>"
EVERYBODY: Final = "*@"


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
    that what its patterns say.  Patterns don't cover subaddresses.

    Attributes:
        own: the account's address.
        patterns: in the spelling of `parse_pattern`.
        separators: characters of which each sets off a subaddress in the
            account's domain; empty when nothing does.
    """

    own: str
    patterns: frozenset[str]
    separators: str = "+"

    def allow(self, address: Address) -> bool:
        """Return whether mail may come from `address`; the null path needs a pattern of its own."""
        if address.is_null:
            return NULL_SENDER in self.patterns
        if not address.local or not address.domain:
            return False
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


def rights_of(own: str, patterns: Iterable[str], separators: Mapping[str, str]) -> SenderRights:
    """Return the rights of an account.

    Args:
        own: its address.
        patterns: its `send_as` patterns.
        separators: what sets off subaddresses, for each domain where it isn't "+".
    """
    return SenderRights(own, frozenset(patterns), separators.get(own.rpartition("@")[2], "+"))
