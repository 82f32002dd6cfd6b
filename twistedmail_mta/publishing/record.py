"""A record that is to be published, and its text in a zone file (RFC 1035 section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twistedmail_mta.dkim.making import TTL, zone_text

Type = Literal["A", "AAAA", "CNAME", "MX", "TXT", "SRV", "TLSA", "PTR"]


@dataclass(frozen=True, slots=True)
class Record:
    """A record of class IN.

    Attributes:
        name: whose record it is, in A-labels without the final dot.
        rdtype: its type.
        content: what it says, as a zone file has it; of TXT the text, without quotes.
        why: what it is for, in a line.
        is_comment: it isn't for the zone that the others are for, or of no use there yet.
    """

    name: str
    rdtype: Type
    content: str
    why: str
    is_comment: bool = False

    @property
    def text(self) -> str:
        """Return the record as a zone file has it; long texts take several lines."""
        if self.rdtype == "TXT":
            return zone_text(self.name, self.content)
        return f"{self.name}. {TTL} IN {self.rdtype} {self.content}"

    @property
    def lines(self) -> list[str]:
        """Return the lines for a zone file, with the one that says why."""
        mark = "; " if self.is_comment else ""
        return [f"; {self.why}", *(f"{mark}{line}" for line in self.text.split("\n"))]
