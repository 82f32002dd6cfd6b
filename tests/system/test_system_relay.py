"""The relay is closed, whoever asks and however."""

from __future__ import annotations

import pytest
from running_site import RunningSite
from typist import Typist

FOREIGN = [
    "user@foreign.test",
    '"user@foreign.test"@foreign.test',
    "@relayed.test:user@foreign.test",
    "@relayed.test,@b.test:user@foreign.test",
    "user@[203.0.113.9]",
    "user@[127.0.0.1]",
    "user@[IPv6:2001:db8::1]",
    "user@FOREIGN.test",
    "user@relayed.test.foreign.test",
    "user@sub.relayed.test",
    "user@xrelayed.test",
    "user@mail.example.org",
    "user@localhost",
    "user",
    "postmaster@foreign.test",
    "user%foreign.test@relayed.test",
    "foreign.test!user@relayed.test",
    '"user@foreign.test"@relayed.test',
    '"user%foreign.test"@relayed.test',
]
"""Paths that some servers have relayed.

The last ones are for a domain of this site, whose next hop may trust this
site and relay them.
"""

SOURCES = ["127.0.0.1", "127.0.0.2", "127.1.2.3"]


@pytest.mark.parametrize("source", SOURCES)
def test_strangers_cannot_relay(site: RunningSite, source: str) -> None:
    """No address of the client opens the relay: not loopback, not a gateway's."""
    for path in FOREIGN:
        with Typist(site.ports["mx"], source=source) as typist:
            typist.reply()
            typist.type("EHLO mail.example.org")
            typist.type("MAIL FROM:<postmaster@example.org>")
            assert typist.type(f"RCPT TO:<{path}>")[:5] in ("550 5", "501 5", "553 5"), path
            assert typist.type("DATA")[:3] in ("503", "554"), path


def test_relayed_domains_are_taken(site: RunningSite) -> None:
    """What the site is the MX of is taken from anyone."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        typist.type("MAIL FROM:<>")
        for path in ["user@relayed.test", "user@RELAYED.test", "@a.test:user@relayed.test", "postmaster"]:
            assert typist.type(f"RCPT TO:<{path}>").startswith("250 "), path


@pytest.mark.parametrize("source", SOURCES)
def test_submission_needs_a_login(site: RunningSite, source: str) -> None:
    """On the submission port nothing at all goes without a login."""
    with Typist(site.ports["submission"], source=source) as typist:
        typist.reply()
        typist.type("EHLO me")
        assert typist.type("MAIL FROM:<alice@example.org>").startswith("530 5.7.0")
        assert typist.type("RCPT TO:<user@relayed.test>").startswith("503 5.5.1")
