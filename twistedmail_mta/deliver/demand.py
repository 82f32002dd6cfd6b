"""What a mail host has to show before it is given mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twistedmail_mta.dane.records import TLSA


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
    """

    by: Literal["DANE", "MTA-STS"]
    records: tuple[TLSA, ...] = ()
    names: tuple[str, ...] = ()
    server_name: str = ""
    is_strict: bool = True

    @property
    def proves(self) -> bool:
        """Whether a host that shows what is demanded has proved who it is."""
        return self.by == "MTA-STS" or bool(self.records)
