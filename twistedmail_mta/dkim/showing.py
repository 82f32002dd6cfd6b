"""Whether the DNS shows a key, whatever way its record is written (RFC 6376 section 3.6.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from twistedmail_mta.dkim.keys import Kind, parse_key
from twistedmail_mta.dkim.results import Unverified

Shown = Literal["yes", "no", "differs", "unknown"]
"""Whether the DNS shows a key: "differs" if there is another record, "unknown" if it doesn't answer."""


def shown(kind: Kind, public: bytes, records: Iterable[bytes]) -> Shown:
    """Return whether records are those of a key: it is what all verifiers will find.

    Args:
        kind: of key.
        public: what its record says.
        records: the TXT records at its name.
    """
    found: Shown = "no"
    for record in records:
        try:
            said = parse_key(record)
        except Unverified:
            found = "differs"
            continue
        if (said.kind, said.public, said.testing) == (kind, public, False):
            return "yes"
        found = "differs"
    return found
