"""`mta auth spf`, asking a name server that nobody here wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from interop_daemons import DNS_PORT, PATIENCE, Daemon, LoopbackNetwork
from running_site import RunningSite, environment


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, knot: Daemon, network: LoopbackNetwork) -> Path:
    """A site file that names knot."""
    tables = f'[dns]\nnameservers = ["{network.address(53)}"]\nport = {DNS_PORT}\n'
    return RunningSite(tmp_path_factory.mktemp("spf"), tables).config


def asked(config: Path, ip: str, domain: str = "spf.test") -> dict[str, Any]:
    """Ask of a client and ann at a domain."""
    command = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", config, "auth", "spf", "--json"]
    done = subprocess.run(
        [*command, "--ip", ip, "--from", f"ann@{domain}", "--helo", "client.test"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE,
        check=False,
    )
    assert not done.stderr, done.stderr
    return json.loads(done.stdout)


def test_long_record(config: Path) -> None:
    """One of many strings, behind a CNAME, that no datagram of the usual size holds."""
    found = asked(config, "198.51.100.59")

    assert (found["result"], found["decided_by"]) == ("pass", ["include:long.%{d}", "ip4:198.51.100.59"])


def test_macros(config: Path, network: LoopbackNetwork) -> None:
    """A name made of the sender and the client's address, found by a wildcard."""
    found = asked(config, network.address(42))

    assert found["result"] == "pass"
    assert found["decided_by"] == ["include:%{l}.users.%{d}", "exists:%{ir}.listed.%{o}"]


@pytest.mark.parametrize(("host", "term"), [(11, "mx:grey.test"), (41, "ptr:peers.test")])
def test_names_of_hosts(config: Path, network: LoopbackNetwork, host: int, term: str) -> None:
    """Where the domain's mail goes, and what the client's address is called."""
    found = asked(config, network.address(host))

    assert (found["result"], found["decided_by"]) == ("pass", [term])


def test_failure(config: Path, network: LoopbackNetwork) -> None:
    """A client whose name doesn't lead back, with the explanation."""
    ip = network.address(40)

    found = asked(config, ip)

    assert (found["result"], found["decided_by"]) == ("fail", ["-all"])
    assert found["explanation"] == f"{ip} is none of ours, ann@spf.test"


@pytest.mark.parametrize(
    ("domain", "result"), [("peers.test", "none"), ("gone.spf.test", "none"), ("broken.test", "temperror")]
)
def test_no_record(config: Path, domain: str, result: str) -> None:
    """A name without one, one that isn't there, and a zone that the server can't load."""
    assert asked(config, "198.51.100.1", domain)["result"] == result
