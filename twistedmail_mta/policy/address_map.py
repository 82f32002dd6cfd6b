"""Many addresses and what becomes of them: a map that a file holds (PURE)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from twistedmail_mta.model import Address
from twistedmail_mta.policy.address_forms import Form, Local, demand_star, made, meant

MAX_FILE: Final = 16 << 20
"""Octets of a file."""
MAX_LINES: Final = 200_000
_MISTAKES: Final = 20

_LINE: Final = re.compile(r'((?:"(?:[^"\\]|\\.)*+"|[^\s"])++)\s++(\S.*)', re.DOTALL)
_STAR: Final = Local("", "")
_Key = TypeVar("_Key", str, tuple[str, str])


@dataclass(slots=True)
class AddressMap:
    """Addresses that become others; the one that means least counts.

    Attributes:
        exact: by local part in lower case and domain.
        domains: whole domains.
        below: all domains below one.
    """

    exact: dict[tuple[str, str], Form] = field(default_factory=dict)
    domains: dict[str, Form] = field(default_factory=dict)
    below: dict[str, Form] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many lines count."""
        return len(self.exact) + len(self.domains) + len(self.below)

    def new(self, address: Address) -> Address | None:
        """Return what an address becomes; None if it isn't in the map."""
        local, domain = address.local, address.domain
        if (form := self.exact.get((local.lower(), domain))) is not None:
            return form.filled((local, ""))
        if (form := self.domains.get(domain)) is not None:
            return form.filled((local, ""))
        labels, _, parent = domain.partition(".") if self.below else ("", "", "")
        while parent:
            if (form := self.below.get(parent)) is not None:
                return form.filled((local, labels))
            label, _, parent = parent.partition(".")
            labels += f".{label}"
        return None

    def add(self, old: Form, becomes: Form) -> None:
        """Take in one line.

        Raises:
            ValueError: it means what another one means, or has a form that maps don't know.
        """
        demand_star(old, becomes)
        if old.domain == "*" or old.local not in {_STAR, Local(old.local.before)}:
            raise ValueError('a map knows addresses, "*@example.org" and "*@*.example.org"; for others write a rule')
        if old.local != _STAR and old.below:
            raise ValueError("an address in a map has a domain without a star")
        if old.local != _STAR:
            self._put(self.exact, (old.local.before, old.domain), becomes)
        else:
            self._put(self.below if old.below else self.domains, old.domain, becomes)

    @staticmethod
    def _put(table: dict[_Key, Form], key: _Key, becomes: Form) -> None:
        if key in table:
            raise ValueError("stands there twice")
        table[key] = becomes


def parse_map(octets: bytes) -> AddressMap:
    """Read a map: lines of an address, white space, and what it becomes.

    Empty lines and those that begin with "#" don't count.

    Raises:
        ValueError: there are mistakes; its text names up to 20, each with the number of its line.
    """
    found = AddressMap()
    mistakes = list(_read_into(found, octets))
    if mistakes:
        more = f"; and {len(mistakes) - _MISTAKES} more" if len(mistakes) > _MISTAKES else ""
        raise ValueError("; ".join(mistakes[:_MISTAKES]) + more)
    return found


def _read_into(found: AddressMap, octets: bytes) -> Iterator[str]:
    """Take in all lines; yield what is wrong."""
    if len(octets) > MAX_FILE or octets.count(b"\n") > MAX_LINES:
        yield f"is too large: {MAX_LINES} lines and {MAX_FILE >> 20} MB are read"
        return
    for number, line in enumerate(octets.split(b"\n"), 1):
        try:
            _take(found, line.decode("utf-8").strip())
        except UnicodeDecodeError:
            yield f"line {number}: is not UTF-8"
        except ValueError as error:
            yield f"line {number}: {error}"


def _take(found: AddressMap, line: str) -> None:
    if not line or line.startswith("#"):
        return
    cut = _LINE.fullmatch(line)
    if cut is None:
        raise ValueError("must be an address, white space, and what it becomes")
    found.add(meant(cut[1]), made(cut[2]))
