"""Where connections come from: this host's addresses, shared out among those whose mail it sends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from twistedmail_mta.networks import address_of


@dataclass(frozen=True, slots=True)
class Source:
    """An address to connect from.

    Attributes:
        address: IPv4 or IPv6, one of this host's.
        hostname: our name for EHLO there, as the DNS has it; None: the usual one.
    """

    address: str
    hostname: str | None = None


class Sources:
    """The addresses of a site, by family.

    The mail of one originator always comes from the same address of a family:
    what receivers think of one doesn't fall on another, and its first delivery
    and the retry that greylisting asks for look the same.
    """

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        """Take the addresses; none at all leaves the choice to the system."""
        self._families: dict[type, list[Source]] = {}
        for source in sources:
            self._families.setdefault(type(address_of(source.address)), []).append(source)

    def source(self, address: str, originator: str) -> Source | None:
        """Return where a connection to `address` comes from, or None for the system's choice.

        Args:
            address: IPv4 or IPv6; anything else has no source.
            originator: whose mail it is, as `Message.originator` says.
        """
        family = self._families.get(type(address_of(address))) if self._families else None
        if family is None:
            return None
        # The highest of independent hashes: one address more or less moves only the mail that is its own.
        return max(family, key=lambda source: crc32(f"{originator} {source.address}".encode()))
