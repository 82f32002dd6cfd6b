"""Domains with the same MX hosts are one lane to operators too."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator

import pytest
from interop_daemons import DNS_PORT, SMTP_PORT, Daemon, LoopbackNetwork, eventually
from running_site import RunningSite

LANE = "primary.peers.test"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, knot: Daemon, network: LoopbackNetwork) -> Iterator[RunningSite]:
    """A server for two domains whose best MX host is the same, and down."""
    domains = "".join(
        f'[domains."{name}"]\nrelay_to = "mx"\nrecipients = "any"\n' for name in ("unlisted.test", "backup.test")
    )
    tables = (
        f'[dns]\nnameservers = ["{network.address(53)}"]\nport = {DNS_PORT}\n'
        f'[outbound]\nport = {SMTP_PORT}\nallow_networks = ["{network.mask}"]\n{domains}'
    )
    site = RunningSite(tmp_path_factory.mktemp("lanes"), tables, host=network.address(23))
    try:
        site.start()
        yield site
    finally:
        site.stop()


def test_lanes_of_a_running_server(site: RunningSite) -> None:
    """Counted together, and suspended together by that name, whatever their domains."""
    site.mta("queue", "suspend", "--all")
    with smtplib.SMTP(site.host, site.ports["mx"], timeout=30) as client:
        client.sendmail("carol@stranger.test", ["ann@unlisted.test", "bob@backup.test"], b"Subject: x\r\n\r\nhello\r\n")

    summary = json.loads(site.mta("queue", "summary", "--by", "lane", "--json").stdout)
    assert [(lane["name"], lane["recipients"]) for lane in summary["groups"]] == [(LANE, 2)]

    site.mta("queue", "suspend", "--lane", LANE)
    said = site.mta("queue", "resume", "--all").stdout
    assert f"Still suspended: lane {LANE}." in said

    def parked() -> bool:
        (found,) = json.loads(site.mta("queue", "suspended", "--json").stdout)
        return (found["suspended"], found["name"], found["recipients"]) == ("lane", LANE, 2)

    eventually(parked, "both recipients wait for the lane")
    (message,) = json.loads(site.mta("queue", "list", "--json").stdout)
    assert {(each["state"], each["attempts"]) for each in message["recipients"]} == {("suspended", 0)}
