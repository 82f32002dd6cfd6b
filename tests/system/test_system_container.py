"""The server in a container: its own network, whose gateway all clients may seem to be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running_site import TWISTD, RunningSite

HERE, GATEWAY, NEIGHBOUR = "10.99.0.2", "10.99.0.1", "10.99.0.3"
LISTENERS = (
    '[listen.mx]\nendpoint = "tcp:0"\nrole = "mx"\n[listen.submission]\nendpoint = "tcp:0"\nrole = "submission"\n'
)
INSIDE = f"""\
set -e
ip link set lo up
ip link add inside type veth peer name outside
ip addr add {HERE}/24 dev inside; ip link set inside up
ip route add default via {GATEWAY} dev inside
export container=podman
exec "$@"
"""
OUTSIDE = f"""\
set -e
nsenter -t "$1" -n ip link set outside netns $$
ip addr add {GATEWAY}/24 dev outside; ip addr add {NEIGHBOUR}/24 dev outside; ip link set outside up
shift
exec "$@"
"""
GREETINGS = f"""\
import socket, sys
for port in sys.argv[1:]:
    for host in ("{GATEWAY}", "{NEIGHBOUR}"):
        with socket.create_connection(("{HERE}", int(port)), 30, (host, 0)) as connection:
            print(connection.makefile().readline().strip())
"""


def may_have_networks() -> bool:
    """Whether this process may make networks of its own."""
    tools = all(map(shutil.which, ("unshare", "nsenter", "ip")))
    return tools and os.geteuid() == 0 and not subprocess.run(["unshare", "-n", "true"], check=False).returncode


@pytest.mark.skipif(not may_have_networks(), reason="needs root, unshare, nsenter and ip")
@pytest.mark.parametrize(("key", "gateway"), [("", "421 4.3.5"), ('gateway = "accept"\n', "220 ")])
def test_clients_behind_the_gateway(tmp_path: Path, key: str, gateway: str) -> None:
    """Port 25 takes nothing from it unless the site file says so; neighbours, and people who log in, are served."""
    site = RunningSite(tmp_path / "site", "", LISTENERS)
    site.config.write_text(site.config.read_text().replace("[tls]", f"{key}[tls]"))
    site.start(["unshare", "-n", "sh", "-c", INSIDE, "sh", *TWISTD])
    try:
        assert site.process is not None
        ports = [str(site.ports[name]) for name in ("mx", "submission")]
        client = ["unshare", "-n", "sh", "-c", OUTSIDE, "sh", str(site.process.pid)]
        done = subprocess.run(
            [*client, sys.executable, "-c", GREETINGS, *ports], capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        site.stop()

    assert done.returncode == 0, done.stdout + done.stderr
    from_gateway, *others = done.stdout.splitlines()
    assert from_gateway.startswith(gateway)
    assert len(others) == 3
    assert all(greeting.startswith("220 ") for greeting in others)
