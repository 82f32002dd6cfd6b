"""What a DNS list answers, and patterns for that: `127.0.0.2`, `127.0.0.4-11`, `127.0.*.3`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BeforeValidator

_OCTET: Final = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class CodePattern:
    """Which return codes are meant.

    Attributes:
        ranges: the least and the greatest value of each octet.
    """

    ranges: tuple[tuple[int, int], ...]

    def matches(self, code: str) -> bool:
        """Return whether an address, as the DNS gives it, is among them."""
        octets = code.split(".")
        return len(octets) == 4 and all(
            least <= int(octet) <= greatest for octet, (least, greatest) in zip(octets, self.ranges, strict=True)
        )


def code_pattern(text: object) -> CodePattern:
    """Return the pattern that `text` spells.

    Raises:
        ValueError: it is none.
    """
    parts = text.split(".") if isinstance(text, str) else []
    ranges = tuple(map(_range, parts))
    if len(ranges) != 4 or ranges[0] != (127, 127):
        raise ValueError('must be a return code such as "127.0.0.2", "127.0.0.4-11" or "127.0.*.3"')
    return CodePattern(ranges)


def _range(text: str) -> tuple[int, int]:
    if text == "*":
        return 0, 255
    found = _OCTET.fullmatch(text)
    if found is None or not int(found[1]) <= int(found[2] or found[1]) <= 255:
        raise ValueError(f"{text!r} is no octet of a return code: such as 2, 4-11 or *")
    return int(found[1]), int(found[2] or found[1])


Code = Annotated[CodePattern, BeforeValidator(code_pattern)]


def is_listing(code: str) -> bool:
    """Return whether an answer says that something is listed.

    Lists answer in 127.0.0.0/8 (RFC 5782 section 2.1); anything else comes from
    a domain that changed hands, or a resolver that makes answers up.
    127.255.255.0/24 is what large lists tell those whose questions they don't
    answer, and 127.0.0.1 is used likewise.
    """
    return code.startswith("127.") and code != "127.0.0.1" and not code.startswith("127.255.255.")
