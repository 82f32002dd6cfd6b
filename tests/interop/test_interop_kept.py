"""A real Postfix delivers here, by LMTP and SMTP: every octet, and to each recipient an outcome of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop_daemons import SMTP_PORT, LoopbackNetwork, eventually
from interop_kept import fetched, kept_site
from interop_mail import as_stored, below_received_by, hostile_bodies, letter
from interop_peers import Peer
from interop_swaks import send, swaks
from running_site import RunningSite

BODIES = {name: body for name, body in hostile_bodies().items() if name != "long-lines"}  # those Postfix breaks
JOE = "joe@sender.test"


@pytest.fixture(scope="module")
def kept(root: Path, network: LoopbackNetwork) -> Iterator[RunningSite]:
    """The site that keeps the mail."""
    site = kept_site(root, network)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def arrived(site: RunningSite, name: str, token: str) -> bytes:
    """Wait for a message and return it."""
    found: list[bytes] = []

    def look() -> bytes | None:
        found.extend(fetched(site, name))
        return next((mail for mail in found if f"\r\nSubject: {token}\r\n".encode() in mail), None)

    return eventually(look, f"{token} arrives for {name}")


@pytest.mark.parametrize("domain", ["kept.test", "socket.kept.test", "smtp.kept.test"])
@pytest.mark.parametrize("name", BODIES)
def test_octets(kept: RunningSite, postfix: Peer, domain: str, name: str) -> None:
    """What Postfix got is what POP3 gives, by LMTP over TCP and a unix socket, and by SMTP."""
    token = f"kept-{domain}-{name}"
    message = letter(token, JOE, f"ann@{domain}", BODIES[name])

    send(postfix.address, JOE, f"ann@{domain}", message)

    mail = arrived(kept, "ann", token)
    assert as_stored(below_received_by(as_stored(mail), postfix.host)) == as_stored(message)
    assert mail.startswith(b"Return-Path: <joe@sender.test>\r\nDelivered-To: ann@kept.test\r\n")
    protocol = b"ESMTPS" if domain.startswith("smtp") else b"LMTP"
    assert re.search(rb"\r\n\tby mail\.example\.org with " + protocol, mail)


def test_each_recipient_has_an_outcome(kept: RunningSite, postfix: Peer) -> None:
    """One is delivered, one bounced, one stays in Postfix's queue, all in one transaction."""
    message = letter("kept-outcomes", JOE, "ann@kept.test", b"x" * 70 + b"\r\n")
    to = "ann@kept.test,nosuch@kept.test,full@kept.test,ben@kept.test"

    swaks(postfix.address, SMTP_PORT, JOE, to, message + b"0123456789\r\n" * 150)

    arrived(kept, "ann", "kept-outcomes")
    arrived(kept, "ben", "kept-outcomes")
    eventually(lambda: _logged(postfix, "full"), "Postfix defers")
    assert {name: _logged(postfix, name) for name in ("ann", "nosuch", "full", "ben")} == {
        "ann": ("2.0.0", "sent"),
        "nosuch": ("5.1.1", "bounced"),
        "full": ("5.2.3", "bounced"),
        "ben": ("2.0.0", "sent"),
    }


def test_many_recipients(kept: RunningSite, postfix: Peer) -> None:
    """Postfix pipelines them; one mailbox named in many ways gets one copy."""
    message = letter("kept-many", JOE, "ann@kept.test", b"text\r\n")
    to = ",".join([*(f"ann+{number}@kept.test" for number in range(40)), "ben@socket.kept.test"])

    send(postfix.address, JOE, to, message)

    arrived(kept, "ben", "kept-many")
    arrived(kept, "ann", "kept-many")
    assert fetched(kept, "ann") == []


def _logged(postfix: Peer, name: str) -> tuple[str, str] | None:
    """What became of the last message for somebody: status and word."""
    found = re.findall(rf"to=<{name}@kept\.test>.*dsn=([\d.]+), status=(\w+)", postfix.logged())
    return found[-1] if found else None
