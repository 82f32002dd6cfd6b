"""Ports of listeners: free, held by this site's server, held by others."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from twistedmail_mta.checks.ports import findings_of_ports, judged
from twistedmail_mta.checks.sockets import Holder, holders_of, listening
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.site import Site

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:0019 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
"""


def site_at(port: int) -> Site:
    """Return a site that listens on a port of loopback."""
    text = (
        'config_version = 1\n[server]\nhostname = "mail.example.org"\nstate_dir = "s"\nadmin = "a@example.org"\n'
        f'[listen.mx]\nrole = "mx"\nendpoint = "tcp:{port}:interface=127.0.0.1"\n'
    )
    return parse_site(text, Path("/nowhere"), "the site")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of loopback on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_table_of_sockets() -> None:
    """Only sockets that listen, and only those of that port; connections to it aren't in anybody's way."""
    assert list(listening(TABLE, 25)) == ["4711"]
    assert list(listening(TABLE, 26)) == []


def test_process_and_its_unit(tmp_path: Path) -> None:
    """The one that has the socket open, by name, with the unit to stop."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TABLE)
    for process, inode, unit in (("812", "4711", "/system.slice/exim4.service"), ("9", "4713", "/")):
        (tmp_path / process / "fd").mkdir(parents=True)
        (tmp_path / process / "fd" / "3").symlink_to(f"socket:[{inode}]")
        (tmp_path / process / "comm").write_text("exim4\n")
        (tmp_path / process / "cgroup").write_text(f"0::{unit}\n")

    assert holders_of(25, tmp_path) == [Holder(812, "exim4", "exim4")]
    assert holders_of(80, tmp_path) == [Holder(9, "exim4", "")]


@pytest.mark.parametrize(
    ("group", "unit"),
    [("/user.slice/$(reboot).service", ""), ("/user.slice/;reboot;.service", ""), ("/system.slice/a.service/b", "a")],
)
def test_whatever_a_process_calls_itself(tmp_path: Path, group: str, unit: str) -> None:
    """It forges no line, and its group no command that an operator would copy; nor does either end the check."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TABLE)
    (tmp_path / "812" / "fd").mkdir(parents=True)
    (tmp_path / "812" / "fd" / "3").symlink_to("socket:[4711]")
    (tmp_path / "812" / "comm").write_bytes(b"a\nnote: \xff\x1b[2J\n")
    (tmp_path / "812" / "cgroup").write_text(f"0::{group}\n")

    assert holders_of(25, tmp_path) == [Holder(812, "a\ufffdnote: \ufffd\ufffd[2J", unit)]


def test_free_port(taken: int) -> None:
    """Nothing is told, and the port is as free as before."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]

    assert list(findings_of_ports(site_at(free), None)) == []
    socket.create_server(("127.0.0.1", free)).close()


def test_held_by_the_server_of_this_site(taken: int) -> None:
    """No fault: it is said which process that is."""
    (found,) = findings_of_ports(site_at(taken), os.getpid())

    assert found.level == "note"
    assert found.text == f"the running server of this site, process {os.getpid()}, has 127.0.0.1:{taken}"


def test_held_by_another(taken: int) -> None:
    """The server couldn't start: an error that names the process."""
    (found,) = findings_of_ports(site_at(taken), None)

    assert (found.level, found.path) == ("error", "listen.mx.endpoint")
    assert f"127.0.0.1:{taken} is held by " in found.text
    assert f"(process {os.getpid()})" in found.text


def test_how_to_stop_the_holder() -> None:
    """By its unit if it has one, so that it stays away after the next boot."""
    exim, bare = Holder(812, "exim4", "exim4"), Holder(9, "nc", "")

    by_unit = judged("listen.mx.endpoint", "*:25", errno.EADDRINUSE, [exim])
    by_process = judged("listen.mx.endpoint", "*:25", errno.EADDRINUSE, [bare])
    unseen = judged("listen.mx.endpoint", "*:25", errno.EADDRINUSE, [])

    assert by_unit.text == "*:25 is held by exim4 (process 812)"
    assert "systemctl disable --now exim4;" in by_unit.mend
    assert "kill 9;" in by_process.mend
    assert "ss -ltnp" in unseen.mend


@pytest.mark.parametrize(("problem", "level"), [(errno.EACCES, "warning"), (errno.EADDRNOTAVAIL, "error")])
def test_other_reasons(problem: int, level: str) -> None:
    """Another user may bind what this one can't; an address of another host nobody can."""
    found = judged("listen.mx.endpoint", "192.0.2.1:25", problem, [])

    assert found.level == level
    assert found.mend
