"""What the delivery agent tells a content filter, over real sockets; and nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import pytest_twisted
from scripted_host import Scene, message_to

from twistedmail_mta.deliver.pool import Reuse
from twistedmail_mta.model import NextHop, Origin, id_text

OFFERED = ("PIPELINING", "8BITMIME", "DSN", "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE")
STRANGER = Origin("ESMTP", "2001:db8::7", "client test\r\n", None, "mx")


def said(host: Any) -> list[bytes]:
    return [line for line in host.commands if line.startswith((b"XFORWARD", b"MAIL"))]


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (STRANGER, b"ADDR=IPv6:2001:db8::7 PROTO=ESMTP HELO=client?test?? IDENT=%s SOURCE=REMOTE"),
        (replace(STRANGER, account="a@b.test", helo=""), b"ADDR=IPv6:2001:db8::7 PROTO=ESMTP IDENT=%s SOURCE=LOCAL"),
        (Origin("LMTP"), b"PROTO=LMTP IDENT=%s SOURCE=REMOTE"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_filter_is_told_whose_mail_it_is(scene: Scene, origin: Origin, told: bytes) -> None:
    """The client that it came from first, by what it is known here, and whether a login submitted it."""
    host = scene.host(extensions=OFFERED, lmtp=True)
    message = replace(message_to("bob"), origin=origin)

    (outcome,) = await scene.deliver(message, NextHop("127.0.0.1", host.port, lmtp=True, is_filter=True))

    assert outcome.reply.code == 250  # type: ignore[union-attr]
    assert said(host) == [b"XFORWARD " + told % id_text(message.id).encode(), b"MAIL FROM:<ann@example.org>"]


@pytest_twisted.ensureDeferred
async def test_other_hosts_are_not(scene: Scene) -> None:
    """Though they offer it, and though a connection to the same place is kept that is used as a filter's."""
    host = scene.host(extensions=OFFERED)
    agent = scene.agent(Reuse(idle=5.0))
    filtering = NextHop("127.0.0.1", host.port, is_filter=True)
    message = message_to("bob")

    for hop in (filtering, replace(filtering, is_filter=False), filtering):
        await agent.deliver(message, message.envelope.recipients, hop, lambda _: True)

    told = [bool([line for line in session.lines if line.startswith(b"XFORWARD")]) for session in host.sessions]
    assert told == [True, False]
    assert [len(session.messages) for session in host.sessions] == [2, 1]
