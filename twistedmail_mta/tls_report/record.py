"""The TXT record that says where a domain wants its TLS reports sent (RFC 8460 section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Address
from twistedmail_mta.smtp.mailto import mailto_address

MOST: Final = 5
"""How many destinations of a record are gone by."""

_FIELD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+")
_RUA: Final = re.compile(r"rua=[!-:<-~ \t]+")
_BEGINS: Final = re.compile(rb"v=TLSRPTv1[ \t]*;")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_WEB: Final = re.compile(
    rf"https://(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.?(?::[0-9]{{1,5}})?(?:[/?][!-\"$-~]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where a domain wants its reports sent; five at most in all.

    Attributes:
        mail: to these addresses.
        web: to these https: URIs, by POST; their hosts are names, never addresses.
    """

    mail: tuple[Address, ...] = ()
    web: tuple[str, ...] = ()


def destinations(texts: Iterable[bytes]) -> Destinations | None:
    """Return where reports go to, or None for a domain that wants none.

    Texts that are something else don't count; of several records none does.
    What of a record is neither mail nor https is passed over, and a record
    that leaves nothing is none.

    Args:
        texts: the TXT records of `_smtp._tls.` and the domain.
    """
    records = [text for text in texts if _BEGINS.match(text)]
    if len(records) != 1:
        return None
    mail: dict[Address, None] = {}
    web: dict[str, None] = {}
    for uri in list(dict.fromkeys(_uris(records[0].decode("latin-1"))))[:MOST]:
        if (address := mailto_address(uri)) is not None:
            mail[address] = None
        elif _WEB.fullmatch(uri):
            web[uri] = None
    return Destinations(tuple(mail), tuple(web)) if mail or web else None


def _uris(text: str) -> list[str]:
    """Return the URIs of the first rua; none if any field can't be read."""
    fields = [field.strip(" \t") for field in text.split(";")][1:]
    if not fields[-1]:
        fields.pop()
    if not all(_RUA.fullmatch(field) or _FIELD.fullmatch(field) for field in fields):
        return []
    rua = next((field for field in fields if field.startswith("rua=")), "rua=")
    return [uri.strip(" \t") for uri in rua.removeprefix("rua=").split(",")]
