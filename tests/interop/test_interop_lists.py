"""What a name server that nobody here wrote says of clients: lists (RFC 5782) and reverse names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from interop_daemons import DNS_PORT, Daemon, LoopbackNetwork
from running_site import RunningSite
from typist import Typist


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, knot: Daemon, network: LoopbackNetwork) -> Iterator[RunningSite]:
    """A server that asks knot about its clients."""
    at = f"tcp:0:interface={network.address(21)}"
    listeners = (
        f'[listen.mx]\nendpoint = "{at}"\nrole = "mx"\nplugins = ["lists"]\n'
        f'[listen.named]\nendpoint = "{at}"\nrole = "mx"\nplugins = ["names"]\n'
    )
    tables = (
        f'[dns]\nnameservers = ["{network.address(53)}"]\nport = {DNS_PORT}\n'
        '[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:9"\nrecipients = "any"\n'
        '[plugins.lists]\nuse = "dnsbl"\nexempt_networks = []\n[[plugins.lists.zones]]\nzone = "bl.test"\n'
        '[plugins.names]\nuse = "names"\nexempt_networks = []\nno_reverse = "defer"\nunconfirmed = "refuse"\n'
    )
    site = RunningSite(tmp_path_factory.mktemp("lists"), tables, listeners, host=network.address(21))
    try:
        yield site.start()
    finally:
        site.stop()


def told(site: RunningSite, listener: str, source: str) -> str:
    """What is answered to RCPT."""
    with Typist(site.ports[listener], site.host, source) as typist:
        typist.reply()
        typist.type("EHLO client.test")
        typist.type("MAIL FROM:<ann@sender.test>")
        return typist.type("RCPT TO:<bob@relayed.test>")


def test_listed_client(site: RunningSite, network: LoopbackNetwork) -> None:
    """Is told why, in the list's own words; its neighbour is let in."""
    host = network.address(40)

    answer = told(site, "mx", host)

    assert answer.startswith(f"554-5.7.1 {host} is listed by bl.test: Seen in a trap, see https://bl.test/40\n")
    assert told(site, "mx", network.address(41)).startswith("250")


@pytest.mark.parametrize(("host", "answer"), [(40, "550 5.7.25"), (41, "250 2.1.5"), (42, "550 5.7.25")])
def test_reverse_names(site: RunningSite, network: LoopbackNetwork, host: int, answer: str) -> None:
    """One of them has to lead back; where there is none, the graver of two faults counts."""
    assert told(site, "named", network.address(host)).startswith(answer)
