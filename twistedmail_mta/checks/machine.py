"""What this system gives the server: memory, open files, IPv6."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.config.site import Site
from twistedmail_mta.config.units import format_size

ENOUGH_MEMORY: Final = 384 * 1024 * 1024
"""Octets: the server takes some 100 MiB, and a burst of sessions with large headers the rest."""
FILES_BESIDE: Final = 500
"""Open files beside one for each client: those of the database, bodies, and connections to other hosts."""
_MEMINFO: Final = Path("/proc/meminfo")
_INTERFACES: Final = Path("/proc/net/if_inet6")
_GLOBAL: Final = "00"


def findings_of_machine(site: Site) -> Iterator[Finding]:
    """Look at this system."""
    yield from of_memory(available_memory(_MEMINFO.read_text() if _MEMINFO.exists() else ""))
    yield from of_files(site, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    yield from of_ipv6(there=has_ipv6())


def available_memory(meminfo: str) -> int | None:
    """Return the octets that programs can have, of a text as /proc/meminfo is; None where it doesn't say."""
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def of_memory(available: int | None) -> Iterator[Finding]:
    """Judge octets that programs can have."""
    if available is not None and available < ENOUGH_MEMORY:
        text = (
            f"{format_size(available)} of memory are available, and the server should have {format_size(ENOUGH_MEMORY)}"
        )
        yield Finding("warning", "limits.memory", text, "give this system more, or stop what else runs here")


def of_files(site: Site, most: int) -> Iterator[Finding]:
    """Judge how many files a process may open: each client is one."""
    wanted = site.limits.connections + FILES_BESIDE
    if 0 <= most < wanted:
        text = f"a process may open {most} files, and {site.limits.connections} clients need {wanted}"
        mend = "LimitNOFILE= of the unit, or `ulimit -Hn`, or lower limits.connections"
        yield Finding("warning", "limits.connections", text, mend)


def of_ipv6(*, there: bool) -> Iterator[Finding]:
    """Judge whether there is IPv6."""
    if not there:
        text = "this system has no IPv6 address, so hosts that have nothing else can't be reached, nor reach this one"
        yield Finding("note", "", text)


def has_ipv6() -> bool:
    """Whether this system has an IPv6 address that others may reach."""
    return _INTERFACES.exists() and is_global(_INTERFACES.read_text(errors="replace"))


def is_global(interfaces: str) -> bool:
    """Whether one of the addresses is for the world, of a text as /proc/net/if_inet6 is."""
    return any(line.split()[3] == _GLOBAL for line in interfaces.splitlines())
