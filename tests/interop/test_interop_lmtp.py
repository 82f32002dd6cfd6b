"""LMTP to a real Dovecot: each recipient has an outcome of its own, and every octet arrives."""

from __future__ import annotations

import pytest
from interop_daemons import SMTP_PORT
from interop_dovecot import Dovecot
from interop_mail import Maildir, as_stored, below_received_by, hostile_bodies, letter, trace_fields
from interop_peers import Peer
from interop_server import HOSTNAME, SUBMISSION_PORT, MailServer
from interop_swaks import run_swaks, send, submit
from test_interop_relay import ALICE, bounce

BODIES = hostile_bodies()

Login = tuple[str, str]


def arrived(mail: Maildir, token: str) -> bytes:
    """Wait for a message and return what stands below our Received field."""
    return below_received_by(mail.message(token), HOSTNAME)


@pytest.mark.parametrize("name", BODIES)
def test_octets_over_the_socket(server: MailServer, login: Login, dovecot: Dovecot, name: str) -> None:
    """Whatever a message holds, both recipients have it as it was submitted."""
    token = f"socket-{name}"
    message = letter(token, ALICE, "bob@socket.test", BODIES[name])

    submit(server.address, SUBMISSION_PORT, login, "bob@socket.test,eve@socket.test", message)

    for recipient in ("bob", "eve"):
        assert arrived(dovecot.mail[recipient], token) == as_stored(message)


@pytest.mark.parametrize("name", ["dots", "megabyte"])
def test_octets_over_tcp(server: MailServer, dovecot: Dovecot, name: str) -> None:
    """A domain's mail goes from our MX to Dovecot over TCP with STARTTLS."""
    token = f"lmtp-{name}"
    message = letter(token, "carol@postfix.test", "bob@lmtp.test", BODIES[name])

    send(server.address, "carol@postfix.test", "bob@lmtp.test", message)

    assert arrived(dovecot.mail["bob"], token) == as_stored(message)
    assert "with LMTPS" in trace_fields(dovecot.mail["bob"].message(token))[0]


def test_recipient_that_dovecot_does_not_know(server: MailServer, dovecot: Dovecot) -> None:
    """Dovecot is asked at RCPT, so that nobody has to bounce it."""
    done = run_swaks(server.address, SMTP_PORT, "carol@postfix.test", "nobody@lmtp.test", b"Subject: x\r\n\r\n")

    assert "<** 550 5.1.1 " in done.stdout


def test_mixed_outcomes(server: MailServer, login: Login, dovecot: Dovecot, postfix: Peer) -> None:
    """One is taken, one unknown at RCPT, one over quota after the message: two are reported, each for its reason."""
    message = letter("lmtp-mixed", ALICE, "bob@socket.test", b"x" * 70 + b"\r\n" + b"y" * 3000 + b"\r\n")
    recipients = "bob@socket.test,nobody@socket.test,full@socket.test,eve@socket.test"

    submit(server.address, SUBMISSION_PORT, login, recipients, message)

    for recipient in ("bob", "eve"):
        assert arrived(dovecot.mail[recipient], "lmtp-mixed") == as_stored(message)
    _, _, failed = bounce(postfix.mail, "lmtp-mixed")
    statuses = {one["Final-Recipient"]: one["Status"] for one in failed}
    assert statuses == {"rfc822; nobody@socket.test": "5.1.1", "rfc822; full@socket.test": "5.2.2"}
    assert dovecot.mail["full"].find("lmtp-mixed") is None
