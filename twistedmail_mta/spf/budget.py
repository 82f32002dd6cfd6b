"""How much one check may ask and compute, whatever the records say (RFC 7208 section 4.6.4)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.spf.errors import PermError

MAX_LOOKUPS: Final = 10
"""Terms that ask the DNS."""
MAX_VOID: Final = 2
"""Terms that ask for what isn't there."""
MAX_HOSTS: Final = 10
"""Names of MX and PTR records that a term looks up."""

MAX_TEXT: Final = 12288
"""Octets of all records together.  The ten of a large sender have some 4,000."""
MAX_TERMS: Final = 800
"""Terms in all of these."""
MAX_MACROS: Final = 100
"""Percent signs, that is macros, in all of these."""
MAX_ADDRESSES: Final = 512
"""Addresses that the client's is compared with."""


class Budget:
    """What is used up."""

    __slots__ = ("_addresses", "_is_void", "_lookups", "_macros", "_terms", "_text", "_void")

    def __init__(self) -> None:
        self._lookups = self._void = self._text = self._terms = self._macros = self._addresses = 0
        self._is_void = False

    def begin_lookup(self) -> None:
        """Count a term that asks the DNS.

        Raises:
            PermError: there were enough.
        """
        self._lookups += 1
        self._is_void = False
        if self._lookups > MAX_LOOKUPS:
            raise PermError(f"more than {MAX_LOOKUPS} terms ask the DNS")

    def count_void(self) -> None:
        """Count that the DNS has nothing for the term that asks now: once for a term, however much it asks.

        The limit is one of terms: the hosts of an `mx` may well have IPv4 addresses only.

        Raises:
            PermError: it was so of others.
        """
        self._void += not self._is_void
        self._is_void = True
        if self._void > MAX_VOID:
            raise PermError(f"more than {MAX_VOID} terms ask for what isn't in the DNS")

    def count_record(self, text: str) -> None:
        """Count a record, before it is read.

        Raises:
            PermError: the records are too long.
        """
        self._text += len(text)
        self._terms += text.count(" ")
        self._macros += text.count("%")
        if self._text > MAX_TEXT or self._terms > MAX_TERMS or self._macros > MAX_MACROS:
            raise PermError(f"the records have more than {MAX_TEXT} octets, {MAX_TERMS} terms or {MAX_MACROS} macros")

    def count_addresses(self, number: int) -> None:
        """Count addresses, before they are compared.

        Raises:
            PermError: there are too many.
        """
        self._addresses += number
        if self._addresses > MAX_ADDRESSES:
            raise PermError(f"the hosts have more than {MAX_ADDRESSES} addresses")
