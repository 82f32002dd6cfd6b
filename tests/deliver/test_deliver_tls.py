"""Deliveries over TLS: opportunistic, required, broken, and attacked."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from scripted_host import DROP, Authorities, Scene, message_to

from twistedmail_mta.model import Deferred, Delivered, NextHop, RelayLogin
from twistedmail_mta.tls.client import ClientTLS

GARBAGE = b"this is no ServerHello\r\n" * 20


def relay(scene: Scene, host: Any, **options: Any) -> NextHop:
    scene.tables.address_table["relay.example.net"] = ["127.0.0.1"]
    return NextHop("relay.example.net", host.port, **options)


@pytest_twisted.ensureDeferred
async def test_opportunistic_takes_any_certificate(scene: Scene, authorities: Authorities) -> None:
    """A certificate for another name still hides the mail from those who only listen; the name is sent (SNI)."""
    context, names = authorities.context_for("other.example"), []
    context.set_tlsext_servername_callback(lambda connection: names.append(connection.get_servername()))
    host = scene.host(context=context)

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host))

    assert isinstance(outcomes[0], Delivered)
    assert outcomes[0].encrypted
    assert host.commands[:3] == [b"EHLO mail.example.org", b"STARTTLS", b"EHLO mail.example.org"]
    assert names == [b"relay.example.net"]
    assert len(host.sessions) == 1


@pytest.mark.parametrize("answers", [{"TLS": DROP}, {"TLS": GARBAGE}, {"STARTTLS": DROP}])
@pytest_twisted.ensureDeferred
async def test_broken_handshake_falls_back_to_clear(
    scene: Scene, authorities: Authorities, answers: dict[str, Any]
) -> None:
    """A host whose TLS is broken gets the mail in clear, on a new connection."""
    host = scene.host(context=authorities.context_for("relay.example.net"), answers=answers)

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host))

    assert isinstance(outcomes[0], Delivered)
    assert not outcomes[0].encrypted
    assert len(host.sessions) == 2
    assert b"STARTTLS" not in host.sessions[1].lines


@pytest.mark.parametrize("options", [{"tls": "required"}, {"login": RelayLogin("relay", "env:X")}])
@pytest_twisted.ensureDeferred
async def test_no_fallback_where_something_depends_on_it(
    scene: Scene, authorities: Authorities, options: dict[str, Any]
) -> None:
    """Required TLS, or a password, never falls back."""
    host = scene.host(context=authorities.context_for("relay.example.net"), answers={"TLS": DROP})

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host, **options))

    assert type(outcomes[0]) is Deferred
    assert outcomes[0].reply.status == "4.7.5"
    assert len(host.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_required_with_a_good_certificate(scene: Scene, authorities: Authorities) -> None:
    """Chain and name fit: the mail goes, and so does the login."""
    scene.security = ClientTLS(authorities.trusted)
    host = scene.host(context=authorities.context_for("relay.example.net"), extensions=("PIPELINING", "AUTH LOGIN"))
    host.answers["AUTH"] = b"334 VXNlcm5hbWU6\r\n"
    host.answers["CMVSYXK="] = b"334 UGFzc3dvcmQ6\r\n"  # "relay" in base64, in upper case as verbs are
    host.answers["C2VJCMV0IG9MIGVUDJPY"] = b"235 2.7.0 in\r\n"

    next_hop = relay(scene, host, tls="required", login=RelayLogin("relay", "env:X"))
    outcomes = await scene.deliver(message_to("bob"), next_hop)

    assert type(outcomes[0]) is Delivered
    assert b"c2VjcmV0IG9mIGVudjpY" in host.commands


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("other.example.net", True, "not for relay.example.net"),
        ("127.0.0.1", True, "not for relay.example.net"),
        ("relay.example.net", False, "no trusted authority"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_required_with_a_bad_certificate(
    scene: Scene, authorities: Authorities, name: str, known: bool, words: str
) -> None:
    """A wrong name or an unknown authority: nothing is said inside TLS, the mail waits, and the reason is told."""
    scene.security = ClientTLS(authorities.trusted)
    host = scene.host(context=authorities.context_for(name, known=known))

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host, tls="required"))

    assert type(outcomes[0]) is Deferred
    assert words in outcomes[0].reply.text
    assert host.commands == [b"EHLO mail.example.org", b"STARTTLS"]


@pytest_twisted.ensureDeferred
async def test_required_to_an_address(scene: Scene, authorities: Authorities) -> None:
    """A next hop given as an address is verified as one."""
    scene.security = ClientTLS(authorities.trusted)
    host = scene.host(context=authorities.context_for("127.0.0.1"))

    outcomes = await scene.deliver(message_to("bob"), NextHop("127.0.0.1", host.port, tls="required"))

    assert type(outcomes[0]) is Delivered


@pytest_twisted.ensureDeferred
async def test_required_and_not_offered(scene: Scene) -> None:
    """A host without STARTTLS gets nothing."""
    host = scene.host()

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host, tls="required"))

    assert outcomes[0].reply.status == "4.7.4"
    assert not [line for line in host.commands if line.startswith(b"MAIL")]


@pytest_twisted.ensureDeferred
async def test_implicit_tls(scene: Scene, authorities: Authorities) -> None:
    """`smtps`: TLS from the first octet, and no STARTTLS inside it."""
    scene.security = ClientTLS(authorities.trusted)
    host = scene.host(context=authorities.context_for("relay.example.net"), implicit=True)

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host, implicit_tls=True, tls="required"))

    assert isinstance(outcomes[0], Delivered)
    assert outcomes[0].encrypted
    assert host.commands[0] == b"EHLO mail.example.org"
    assert b"STARTTLS" not in host.commands


@pytest_twisted.ensureDeferred
async def test_implicit_tls_never_falls_back(scene: Scene) -> None:
    """A host that speaks clear text where TLS was meant is not spoken to."""
    host = scene.host()

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host, implicit_tls=True))

    assert type(outcomes[0]) is Deferred
    assert outcomes[0].reply.status == "4.7.5"
    assert len(host.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_injection_behind_the_220(scene: Scene, authorities: Authorities) -> None:
    """Octets in clear behind the answer to STARTTLS end it: neither TLS nor clear follows."""
    host = scene.host(context=authorities.context_for("relay.example.net"))
    host.answers["STARTTLS"] = b"220 go\r\n250-evil\r\n250 PIPELINING\r\n"

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host))

    assert type(outcomes[0]) is Deferred
    assert "STARTTLS" in outcomes[0].reply.text
    assert len(host.sessions) == 1
    assert not [line for line in host.commands if line.startswith(b"MAIL")]


@pytest_twisted.ensureDeferred
async def test_refused_starttls_goes_on_in_clear(scene: Scene, authorities: Authorities) -> None:
    """454 to STARTTLS is no reason to keep the mail where TLS is a courtesy."""
    host = scene.host(
        context=authorities.context_for("relay.example.net"), answers={"STARTTLS": b"454 4.7.0 not now\r\n"}
    )

    outcomes = await scene.deliver(message_to("bob"), relay(scene, host))

    assert type(outcomes[0]) is Delivered
    assert len(host.sessions) == 1
