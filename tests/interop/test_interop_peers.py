"""The peers themselves: what the other interop tests rely on holds without the server under test."""

from __future__ import annotations

import pytest
import pytest_twisted
from interop_daemons import DNS_PORT, Daemon, LoopbackNetwork, eventually
from interop_mail import as_stored, hostile_bodies, letter, trace_fields
from interop_peers import Peer
from interop_swaks import run_swaks, send
from twisted.internet import reactor

from twistedmail_mta.dns.nameservers import nameservers
from twistedmail_mta.dns.resolver import make_resolver
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer, MXRecord

BODIES = hostile_bodies()


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("kind", ["postfix", "exim"])
def test_peers_store_what_swaks_sends(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    """Client and peers change nothing on the way, over TLS."""
    peer: Peer = request.getfixturevalue(kind)
    recipient, token = f"bob@{kind}.test", f"straight-{kind}-{name}"
    message = letter(token, "alice@sender.test", recipient, BODIES[name])

    send(peer.address, "alice@sender.test", recipient, message, "--tls")

    stored = peer.mail.message(token)
    assert stored.endswith(as_stored(message))
    assert "TLS" in trace_fields(stored)[0]


@pytest.mark.parametrize("kind", ["postfix", "exim"])
def test_peers_refuse_nobody(kind: str, request: pytest.FixtureRequest) -> None:
    """The recipient that is there to be refused is refused, at RCPT and for good."""
    peer: Peer = request.getfixturevalue(kind)

    done = run_swaks(peer.address, 2525, "alice@sender.test", f"nobody@{kind}.test", b"Subject: x\r\n\r\n")

    assert "<** 550 " in done.stdout


def test_postfix_defers_mail_for_the_server_under_test(postfix: Peer, network: LoopbackNetwork) -> None:
    """Mail to relayed.test is sent to host 20."""
    send(postfix.address, "alice@sender.test", "bob@relayed.test", letter("later", "a@b", "c@d", b""))

    eventually(lambda: f"[{network.address(20)}]:2525" in postfix.logged(), "Postfix tries the server under test")


@pytest_twisted.ensureDeferred
async def test_resolver_and_knot(knot: Daemon, network: LoopbackNetwork) -> None:
    """The resolver gets along with a name server that nobody here wrote, over UDP and TCP."""
    resolver = make_resolver(reactor, nameservers([network.address(53)], DNS_PORT))

    two = await resolver.mx("second.test")
    null = await resolver.mx("null.test")
    missing = await resolver.mx("gone.postfix.test")
    empty = await resolver.mx("hostless.test")
    alias = await resolver.mx("www.alias.test")
    host = await resolver.addresses("Exim.Peers.TEST.", "A")
    large = await resolver.addresses("large.test", "A")
    with pytest.raises(TemporaryError):
        await resolver.mx("not-served-here.example")

    assert set(two.records) == {MXRecord(10, "dead.peers.test"), MXRecord(20, "postfix.peers.test")}
    assert null.records == (MXRecord(0, ""),)
    assert (missing.status, empty.status) == ("missing", "empty")
    assert alias.records == (MXRecord(10, "exim.peers.test"),)
    assert len(large.records) == 200
    assert host == Answer((network.address(11),), "found", authentic=False)
