"""Whether the listeners can have their ports: free, held by the running server of this site, or by others."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.checks.sockets import Holder, holders_of
from twistedmail_mta.config.endpoints import Endpoint, parse_endpoint
from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.privileges import running_user


def findings_of_ports(site: Site, server: int | None) -> Iterator[Finding]:
    """Try every TCP port that listeners name; nothing is listened on.

    Args:
        site: the site file.
        server: the process of the running server of this site; None when there is none.
    """
    ours: list[str] = []
    for name, table in site.listen.items():
        for text in table.endpoint:
            endpoint = parse_endpoint(text)
            problem = _problem(endpoint) if endpoint.kind in {"tcp", "tcp6"} else 0
            holders = holders_of(int(endpoint.arguments["port"])) if problem == errno.EADDRINUSE else []
            if problem == errno.EADDRINUSE and _is_ours(holders, server):
                ours.append(endpoint.place)
            elif problem:
                yield judged(key_path(("listen", name, "endpoint")), endpoint.place, problem, holders)
    if ours:
        yield Finding("note", "listen", f"the running server of this site, process {server}, has {', '.join(ours)}")


def judged(path: str, place: str, problem: int, holders: Sequence[Holder]) -> Finding:
    """Say why a port can't be had.

    Args:
        path: the key of the listener.
        place: where it is to listen.
        problem: the number of the error, as `errno` has it.
        holders: who has the port, if anybody, as far as it is known.
    """
    if problem == errno.EADDRINUSE:
        who = ", ".join(map(str, holders)) or "another program"
        return Finding("error", path, f"{place} is held by {who}", _mend_of(holders))
    if problem in {errno.EACCES, errno.EPERM}:
        text = f"{place} can't be bound by {running_user().name}: ports below 1024 are root's"
        return Finding("warning", path, text, "start it as root, by systemd, or with ports above 1023")
    if problem == errno.EADDRNOTAVAIL:
        return Finding("error", path, f"{place} is no address of this host", "name one that `ip address` shows")
    mend = "correct the endpoint; `ip address` shows what there is"
    return Finding("error", path, f"{place} can't be bound: {os.strerror(problem)}", mend)


def _mend_of(holders: Sequence[Holder]) -> str:
    if not holders:
        return "`ss -ltnp`, as root, shows which program has it; stop that, or name another port"
    units = dict.fromkeys(holder.unit for holder in holders if holder.unit)
    if units:
        return f"stop it, and for good: systemctl disable --now {' '.join(units)}; or name another port"
    return f"stop it: kill {' '.join(str(holder.process) for holder in holders)}; or name another port"


def _is_ours(holders: Sequence[Holder], server: int | None) -> bool:
    """Whether the server has a port; who can't see the holders believes it of a server that runs."""
    return server is not None and (not holders or any(holder.process == server for holder in holders))


def _problem(endpoint: Endpoint) -> int:
    """Return the number of the error with which a port can't be bound; 0 if it can."""
    port, interface = int(endpoint.arguments["port"]), endpoint.arguments.get("interface")
    if interface is not None:
        return _tried(interface, port)
    return _tried("0.0.0.0", port) or (_tried("::", port) if Path("/proc/net/if_inet6").exists() else 0)  # noqa: S104 - as the listener does


def _tried(interface: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tried.bind((interface, port))
    except OSError as error:
        return 0 if error.errno == errno.EAFNOSUPPORT else error.errno or errno.EIO
    return 0
