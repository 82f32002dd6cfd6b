"""Networks whose hosts may send on, and how wide they may be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from twistedmail_mta.policy.relay_networks import RelayNetworks
from twistedmail_mta.stages import Grant, IRelayGrant
from twistedmail_mta.testing.rig import Rig
from twistedmail_mta.testing.site import Site
from twistedmail_mta.testing.values import client, mail_from, recipient

OFFICE = {"networks": ["192.168.7.0/24", "2001:db8:7::/48"]}
DENIED = "550 5.7.1 Relaying denied"


def asked(host: str, sender: str = "scanner@example.org", **options: Any) -> Any:
    rig = Rig(RelayNetworks, {**OFFICE, **options})
    return rig.ask(IRelayGrant, client(host), mail_from(sender), recipient("bob@elsewhere.test"))


@pytest.mark.parametrize(
    ("host", "granted"),
    [
        ("192.168.7.1", True),
        ("192.168.7.255", True),
        ("::ffff:192.168.7.1", True),
        ("2001:db8:7:1::5", True),
        ("192.168.8.1", False),
        ("192.168.6.255", False),
        ("2001:db8:8::1", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("", False),
    ],
)
def test_hosts(host: str, granted: bool) -> None:
    """Those of the networks, and nobody else: neither this host nor who comes by a unix socket."""
    assert isinstance(asked(host), Grant) == granted


@pytest.mark.parametrize(
    ("senders", "sender", "granted"),
    [
        (["*@example.org"], "scanner@example.org", True),
        (["*@example.org"], "SCANNER@EXAMPLE.ORG", True),
        ("*@example.org", "scanner@example.org", True),
        (["*@example.org"], "scanner@sub.example.org", False),
        (["*@*.example.org"], "scanner@sub.example.org", True),
        (["*@example.org"], "eve@example.net", False),
        (["*@example.org"], "", False),
        (["*@example.org", "<>"], "", True),
        (["*"], "", True),
        (["scanner@example.org"], "ann@example.org", False),
    ],
)
def test_senders(senders: Any, sender: str, granted: bool) -> None:
    """A host of the network that wants to send as somebody else is a stranger like any other."""
    assert isinstance(asked("192.168.7.1", sender, senders=senders), Grant) == granted


def test_any_sender() -> None:
    """Where none is named, reports included."""
    assert asked("192.168.7.1", "eve@anywhere.test") == asked("192.168.7.1", "")
    assert asked("192.168.7.1", "").reason == "192.168.7.1 is in a network that may"


@pytest.mark.parametrize(
    "network",
    [
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "fc00::/7", "fd00::/8", "fe80::/10", "203.0.0.0/16", "192.0.2.7", "2001:db8::/32", "2001:db8::7",
    ],
)  # fmt: skip
def test_networks_that_can_be_named(network: str) -> None:
    """Private ones as wide as they are, public ones as wide as somebody has one."""
    assert Rig(RelayNetworks, {"networks": [network]}).plugin is not None


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ("0.0.0.0/0", "too wide"),
        ("0.0.0.0/1", "too wide"),
        ("203.0.0.0/15", "too wide"),
        ("8.0.0.0/8", "too wide"),
        ("10.0.0.0/7", "too wide"),
        ("172.0.0.0/8", "too wide"),
        ("192.0.0.0/8", "too wide"),
        ("::/0", "IPv4"),
        ("2000::/3", "too wide"),
        ("2001:db8::/31", "too wide"),
        ("fc00::/6", "too wide"),
        ("::ffff:0:0/96", "holds IPv4 addresses"),
        ("::ffff:10.0.0.0/104", "holds IPv4 addresses"),
        ("10.0.0.1/8", "host bits"),
        ("example.org", "does not appear"),
    ],
)
def test_networks_that_can_not(network: str, why: str) -> None:
    """Anybody could be there: it is refused when the site file is read."""
    with pytest.raises(ValidationError, match=why):
        Rig(RelayNetworks, {"networks": ["192.168.7.0/24", network]})


@pytest.mark.parametrize("options", [{}, {"networks": []}, {**OFFICE, "senders": []}, {**OFFICE, "anybody": True}])
def test_options_that_are_wrong(options: Any) -> None:
    """Networks must be named; nobody can be let in by the lack of a list."""
    with pytest.raises(ValidationError):
        Rig(RelayNetworks, options)


def test_a_scanner() -> None:
    """Only under [relay] it lets mail out, only from its network, and never along a route in a local part."""
    rig = Rig(RelayNetworks, {**OFFICE, "senders": ["scanner@example.org"]})
    site = Site(relay=[rig])
    scanner, other = site.connect("192.168.7.9"), site.connect("192.0.2.1")

    assert scanner.mail("scanner@example.org", "bob@elsewhere.test").startswith("250")
    assert [list(each.recipients) for each in site.accepted] == [["bob@elsewhere.test"]]
    assert other.mail("scanner@example.org", "bob@elsewhere.test").startswith(DENIED)
    assert scanner.mail("eve@example.org", "bob@elsewhere.test").startswith(DENIED)
    assert scanner.mail("scanner@example.org", "bob%elsewhere.test@home.test").startswith(DENIED)
    assert Site(rig).connect("192.168.7.9").mail("scanner@example.org", "bob@elsewhere.test").startswith(DENIED)
    assert (
        Site(relay=[rig], role="lmtp")
        .connect("192.168.7.9")
        .type("LHLO me", "MAIL FROM:<scanner@example.org>", "RCPT TO:<bob@elsewhere.test>")
        .startswith(DENIED)
    )
    assert rig.running.grants == 1
