"""Endpoint strings: what is taken, and what is bound for them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactor

from twistedmail_mta.config.endpoints import parse_endpoint, widened

GOOD = [
    "tcp:25",
    "tcp:0:interface=127.0.0.1",
    "tcp:port=25:backlog=100",
    r"tcp6:25:interface=\:\:1",
    r"unix:/run/mta\:1/lmtp.sock:mode=660",
    "systemd:domain=INET:name=smtp",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_we_take_twisted_takes(text: str) -> None:
    """Nothing passes here that fails when the port is bound; written again it means the same."""
    endpoint = parse_endpoint(text)

    assert parse_endpoint(str(endpoint)) == endpoint
    if endpoint.kind != "systemd":  # those exist under systemd only
        serverFromString(MemoryReactor(), text)
        serverFromString(MemoryReactor(), str(endpoint))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("25", 'must begin with "tcp:"'),
        ("ssl:465", "must begin with"),
        ("tcp:", "no port number"),
        ("tcp:65536", "no port number"),
        ("tcp:²", "no port number"),
        ("tcp:25:eth0", "no name=value"),
        ("tcp:25:host=x", "have no host"),
        ("tcp:25:interface=localhost", "localhost"),
        (r"tcp:25:interface=\:\:1", "can't bind"),
        ("tcp6:25:interface=127.0.0.1", "can't bind"),
        ("systemd:INET", "need index= or name="),
        ("systemd:TCP:index=0", "of the domain INET or INET6 or UNIX, not 'TCP'"),
        ("unix", "need address"),
        ("tcp:25\\", "lone backslash"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    """With words that say what is wrong."""
    with pytest.raises(ValueError, match=complaint):
        parse_endpoint(text)


@settings(max_examples=100, derandomize=True)
@given(st.text(alphabet="tcp6unix:=\\/25 ", max_size=30))
def test_nothing_but_value_errors(text: str) -> None:
    """Any text is taken or refused, and what is taken survives being written."""
    try:
        endpoint = parse_endpoint(text)
    except ValueError:
        return
    assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("ipv6", "dual", "bound"),
    [
        (False, False, ("tcp:25:backlog=511",)),
        (True, True, (r"tcp6:25:backlog=511:interface=\:\:",)),
        (True, False, ("tcp:25:backlog=511", r"tcp6:25:backlog=511:interface=\:\:")),
    ],
)
def test_no_interface_means_both_families(ipv6: bool, dual: bool, bound: tuple[str, ...]) -> None:
    """One IPv6 socket where it takes IPv4 too, else two; what names an interface stays alone."""
    assert widened("tcp:25", ipv6=ipv6, dual=dual) == bound
    for alone in ("tcp:25:backlog=9:interface=127.0.0.1", r"tcp6:25:backlog=9:interface=\:\:1", "systemd:INET:index=0"):
        assert widened(alone, ipv6=ipv6, dual=dual) == (alone,)


def test_unix_sockets_are_closed_to_strangers() -> None:
    """Whoever can write to one can put mail into mailboxes: our user and group, unless the mode says otherwise."""
    assert widened("unix:/run/x", ipv6=True, dual=True) == ("unix:/run/x:mode=660:backlog=511",)
    assert widened("unix:/run/x:mode=600", ipv6=True, dual=True) == ("unix:/run/x:mode=600:backlog=511",)


@pytest.mark.parametrize("text", ["unix:/run/x", "tcp:24:interface=127.0.0.2", r"tcp6:24:interface=\:\:1"])
def test_private_places(text: str) -> None:
    """No other host gets there; to an address of the network, or to every one, others do."""
    assert parse_endpoint(text).is_private
    assert not parse_endpoint("tcp:24").is_private
    assert not parse_endpoint("tcp:24:interface=192.0.2.1").is_private


def test_places_for_people() -> None:
    """As the first lines on the screen show them."""
    assert parse_endpoint("tcp:25").place == "*:25"
    assert parse_endpoint("tcp:25:interface=127.0.0.1").place == "127.0.0.1:25"
    assert parse_endpoint(r"tcp6:25:interface=\:\:1").place == "[::1]:25"
    assert parse_endpoint("unix:/run/x").place == "unix:/run/x"
