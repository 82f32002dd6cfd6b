"""What a host is to be called: as it calls itself, as others call it, or by a name made of its domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_LOCAL: Final = ("localdomain", "local", "localhost", "internal", "lan", "home", "arpa", "invalid", "test")
"""Top names that nobody else can look up (RFC 6761, RFC 6762, RFC 8375), or that are made up at home."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name for the host.

    Attributes:
        text: in A-labels.
        source: how it was found, in words.
    """

    text: str
    source: str


def chosen_name(said: str | None, domain: str, own: str, others: Mapping[str, Iterable[str]]) -> Name:
    """Return the name of the host, as sure as it can be found.

    Args:
        said: what the operator says, if anything.
        domain: whose mail is to be kept here.
        own: what the system calls itself.
        others: by address of this host the names that lead back to it.
    """
    if said is not None:
        return Name(said, "as you say")
    if is_public(own):
        return Name(own, "this system's own name")
    for address, names in others.items():
        for name in names:
            if name.endswith(f".{domain}"):
                return Name(name, f"what the DNS calls {address}")
    return Name(f"mail.{domain}", "made of the domain; --hostname says another")


def own_name(nodename: str, hosts: str) -> str:
    """Return what a system calls itself in full.

    Args:
        nodename: as uname(2) has it, often without a domain.
        hosts: the text of hosts(5), where the first name of a line is the full one.
    """
    if "." in nodename:
        return nodename.lower()
    for line in hosts.splitlines():
        names = line.partition("#")[0].split()[1:]
        if nodename in names and is_public(names[0]):
            return names[0].lower()
    return nodename.lower()


def is_public(name: str) -> bool:
    """Whether others may look a name up."""
    labels = name.split(".")
    return len(labels) > 1 and all(labels) and labels[-1] not in _LOCAL and not labels[-1].isdigit()
