"""An address that mail may be sent to, and what is known of the way there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.deliver.demand import Demand


@dataclass(frozen=True, slots=True)
class Vouched:
    """What DNSSEC vouches for on the way to a host, as far as the name servers say.

    Attributes:
        name: that the host is one of the domain's, or nobody had to be asked for it.
        addresses: its addresses, all CNAMEs before them included.
        alias: the name at the end of these; empty when there were none.
    """

    name: bool = False
    addresses: bool = False
    alias: str = ""

    @property
    def leads_somewhere(self) -> bool:
        """Whether there may be TLSA records that can be believed."""
        return self.name and (self.addresses or bool(self.alias))


UNVOUCHED: Final = Vouched()


@dataclass(frozen=True, slots=True)
class Target:
    """One address to try.

    Attributes:
        host: its name, which TLS verifies; or the address once more.
        address: IPv4 or IPv6; or the path of a unix socket.
        port: the TCP port; 0 for a unix socket.
        rank: where it stands among the targets of a next hop; equals are as good as each other.
        demand: what it has to show; None: what the next hop says.
        vouched: how its name and address were found.
    """

    host: str
    address: str
    port: int
    rank: int = field(default=0, compare=False)
    demand: Demand | None = None
    vouched: Vouched = field(default=UNVOUCHED, compare=False)

    @property
    def is_socket(self) -> bool:
        """Whether it is a unix socket."""
        return self.address.startswith("/")

    def __str__(self) -> str:
        """Return "name [address]", as reports show it."""
        return f"{self.host} [{self.address}]"
