"""`mta headers` reads what other servers really write behind our own field."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from interop_mail import letter
from interop_peers import Peer
from interop_server import HOSTNAME, SUBMISSION_PORT, MailServer
from interop_swaks import submit
from running_site import environment
from test_interop_relay import ALICE

PROGRAMS = {"postfix": "Postfix", "exim": "Exim 4.", "opensmtpd": "OpenSMTPD"}


def headers(message: bytes) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "twistedmail_mta.cli.main", "headers", "-", "--json"],
        env=environment(), input=message, capture_output=True, check=True,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_peer_writes(
    server: MailServer, login: tuple[str, str], request: pytest.FixtureRequest, name: str
) -> None:
    """Our hop and the peer's: who, from which address, over TLS where it was, at a time that fits."""
    peer: Peer = request.getfixturevalue(name)
    token = f"headers-{name}"
    submit(
        server.address,
        SUBMISSION_PORT,
        login,
        f"bob@{name}.test",
        letter(token, ALICE, f"bob@{name}.test", b"hello\r\n"),
    )

    told = headers(peer.mail.message(token))

    ours, theirs = told["hops"]
    assert (ours["host"], ours["protocol"]) == (HOSTNAME, "ESMTPSA")
    assert ours["id"]
    assert ours["tls"].startswith("TLS 1.3 TLS_")
    assert (theirs["sender"], theirs["address"], theirs["host"]) == (HOSTNAME, "127.0.0.1", peer.host)
    assert theirs["program"].startswith(PROGRAMS[name])
    assert theirs["protocol"].lower() in {"esmtp", "esmtps"}
    assert theirs["tls"].startswith("TLS 1.3 TLS_") is theirs["protocol"].lower().endswith("s")
    assert theirs["recipient"] == f"bob@{name}.test"
    assert 0 <= theirs["delay"] < 120
    assert not theirs["clock"]
