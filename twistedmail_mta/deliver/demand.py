"""What a mail host has to show before it is given mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.mta_sts.policy import Policy


@dataclass(frozen=True, slots=True)
class Demand:
    """TLS, and what proves that it is the right host.

    Attributes:
        by: who demands it.
        records: a record must mean the certificate; none where DANE found only
            records of no use, which demand TLS with anybody (RFC 7672 section 2.2).
        names: one of these must be the certificate's, where the record is of an authority.
        server_name: what is sent (SNI), the name that the records were found at.
        is_strict: else nothing is refused, and what was wrong is only logged.
        is_named: else it is a host that the domain's policy, which is only tested, doesn't name.
        published: all records that were found, as reports show them.
        policy: of the domain, likewise.
    """

    by: Literal["DANE", "MTA-STS"]
    records: tuple[TLSA, ...] = ()
    names: tuple[str, ...] = ()
    server_name: str = ""
    is_strict: bool = True
    is_named: bool = True
    published: tuple[TLSA, ...] = field(default=(), compare=False)
    policy: Policy | None = field(default=None, compare=False)

    @property
    def proves(self) -> bool:
        """Whether a host that shows what is demanded has proved who it is."""
        return self.is_named and (self.by == "MTA-STS" or bool(self.records))
