"""Aliases: the value, and how addresses and lists of them are written (PURE)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.directory.accounts import folded_local
from twistedmail_mta.directory.domains import exact_local
from twistedmail_mta.model import Address
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.domain import parse_domain
from twistedmail_mta.smtp.errors import AddressError

_WORD: Final = r'(?:"(?:[^"\\]|\\.)*"|[^\s,"])+'
_WORDS: Final = re.compile(_WORD)
_ENTRY: Final = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^\s:"])+)(?:\s*:\s*|\s+|$)(.*)', re.DOTALL)
_NO_ADDRESS: Final = {"|": "a command", "/": "a file", ":": "a file to include"}


@dataclass(frozen=True, slots=True)
class Alias:
    """An address that stands for others.

    Attributes:
        folded: `address` in the spelling of account names, by which it is found.
        address: as it was given, unquoted; "@domain" stands for every address
            there that is none otherwise (the catch-all).
        targets: what it leads to, each as `str(Address)` writes it.
    """

    folded: str
    address: str
    targets: tuple[str, ...]

    @property
    def domain(self) -> str:
        """The domain of its address."""
        return self.address.rpartition("@")[2]

    @property
    def own_address(self) -> Address:
        """Its address; that of a catch-all has no local part."""
        local, _, domain = self.address.rpartition("@")
        return Address(local, domain)


def make_alias(address: str, targets: Iterable[str], domain: str | None = None) -> Alias:
    """Return an alias from what an operator typed.

    Args:
        address: what stands for others, or "@domain".
        targets: what it leads to.
        domain: of the addresses that name none; None refuses those.

    Raises:
        ValueError: this is no alias; the text says why.
    """
    found = {str(_target(text, domain)): None for text in targets}
    if not found:
        raise ValueError(f"{address} leads nowhere")
    if address.startswith("@"):
        name = _domain(address[1:])
        return Alias(f"@{name}", f"@{name}", tuple(found))
    key = _address(address, domain)
    return Alias(f"{folded_local(key.local)}@{key.domain}", f"{exact_local(key.local)}@{key.domain}", tuple(found))


def alias_key(address: str) -> tuple[str, str]:
    """Return `Alias.folded` and `Alias.address` of an alias's address as an operator types it.

    Raises:
        ValueError: it can't be the address of an alias.
    """
    alias = make_alias(address, ["x@x"])
    return alias.folded, alias.address


def target_address(text: str) -> Address:
    """Return a target of an alias as an address."""
    if text.startswith('"'):
        return parse_address(text)
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


def shown(address: str) -> str:
    """Return `Alias.address` as people type it."""
    local, _, domain = address.rpartition("@")
    return str(Address(local, domain)) if local else address


def read_aliases(text: str, domain: str | None = None, *, only_there: bool = False) -> Iterator[Alias]:
    """Read the aliases of a text in the manner of aliases(5) or virtual(5).

    A line is `address: target, target` or `address target target`; it goes on
    in lines that begin with a space.  Empty lines and those that begin with #
    don't count, nor do those that only declare a domain, as virtual(5) has them.

    Args:
        text: of a file.
        domain: of the addresses that name none; None refuses those.
        only_there: refuse aliases at other domains.

    Raises:
        ValueError: a line can't be understood, or an address comes twice; the message names the line.
    """
    seen: dict[str, int] = {}
    for number, line in _logical_lines(text):
        try:
            alias = _entry(line, domain)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if alias is None:
            continue
        first = seen.setdefault(alias.address, number)
        if first != number:
            raise ValueError(f"line {number}: {shown(alias.address)} stands in line {first} already")
        if only_there and alias.domain != domain:
            raise ValueError(f"line {number}: {shown(alias.address)} isn't at {domain}")
        yield alias


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each entry with the number of its first line."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t" and parts:
            parts.append(line)
            continue
        if parts:
            yield begun, "\n".join(parts)
        begun, parts = number, [line.strip()]
    if parts:
        yield begun, "\n".join(parts)


def _entry(line: str, domain: str | None) -> Alias | None:
    found = _ENTRY.fullmatch(line)
    if found is None:
        raise ValueError("no address to begin with")
    key, rest = found.groups()
    if _declares_domain(key, domain):
        return None
    if _WORDS.sub("", rest).strip(", \t\n"):
        raise ValueError("the targets can't be told apart")
    return make_alias(key, _WORDS.findall(rest), domain)


def _declares_domain(key: str, domain: str | None) -> bool:
    """Return whether a line is only virtual(5)'s way to say that a domain has aliases."""
    if "@" in key or '"' in key:
        return False
    if domain is not None:
        return key.lower() == domain
    return "." in key


def _target(text: str, domain: str | None) -> Address:
    kind = _NO_ADDRESS.get(text.lstrip('"')[:1])
    if kind is not None and _is_bare(text):
        raise ValueError(f"{text} is {kind}; aliases lead to addresses only")
    return _address(text, domain)


def _is_bare(text: str) -> bool:
    """Return whether an address names no domain."""
    return "@" not in text or text.endswith('"')


def _address(text: str, domain: str | None) -> Address:
    if _is_bare(text):
        if domain is None:
            raise ValueError(f"the domain is missing: {text}")
        text = f"{text}@{domain}"
    try:
        return parse_address(text)
    except AddressError as error:
        raise ValueError(f"{error}: {text}") from None


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except AddressError as error:
        raise ValueError(f"{error}: @{text}") from None
