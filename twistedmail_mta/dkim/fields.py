"""Header fields as they are signed: which of them, and in what form (RFC 6376 sections 3.4 and 5.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import CRLF

Canon = Literal["simple", "relaxed"]

_WSP: Final = re.compile(rb"[ \t]++")
_SIGNATURE_VALUE: Final = re.compile(rb"((?:\A[^:]*+:|;)[ \t\r\n]*+b[ \t\r\n]*+=)[^;]*+")


@dataclass(frozen=True, slots=True)
class Field:
    """A header field.

    Attributes:
        name: in lower case.
        octets: all of it as it came, to the CRLF of its last line.
    """

    name: bytes
    octets: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon."""
        return self.octets.partition(b":")[2]

    def canonical(self, canon: Canon) -> bytes:
        """Return the field as it is hashed (RFC 6376 sections 3.4.1 and 3.4.2), with its CRLF."""
        if canon == "simple":
            return self.octets if self.octets.endswith(CRLF) else self.octets + CRLF
        value = _WSP.sub(b" ", self.value.replace(CRLF, b""))
        return self.name + b":" + value.strip(b" ") + CRLF

    def unsigned(self, canon: Canon) -> bytes:
        """Return a signature field as it is hashed itself: its b= empty, and no CRLF (RFC 6376 section 3.7)."""
        bare = Field(self.name, _SIGNATURE_VALUE.sub(rb"\1", self.octets, count=1))
        return bare.canonical(canon).removesuffix(CRLF)


def fields_of(header: Header) -> tuple[Field, ...]:
    """Return all fields, from above."""
    return tuple(Field(name.lower(), octets) for name, octets in header.whole_fields())


def selected(fields: Sequence[Field], names: Iterable[bytes]) -> list[Field]:
    """Return the fields that names in h= mean (RFC 6376 section 5.4.2).

    A name that stands there again means the next field above; one for which
    there is no field left means that there is none, and adds nothing.

    Args:
        fields: all, from above.
        names: in lower case, in the order of h=.
    """
    left: dict[bytes, list[Field]] = {}
    for field in fields:
        left.setdefault(field.name, []).append(field)
    return [same.pop() for name in names if (same := left.get(name))]
