"""Mail to OpenSMTPD, which takes one command at a time."""

from __future__ import annotations

import pytest
from interop_mail import as_stored, below_received_by, hostile_bodies, letter
from interop_peers import Peer
from interop_server import HOSTNAME, SUBMISSION_PORT, MailServer
from interop_swaks import submit
from test_interop_relay import ALICE, bounce

BODIES = hostile_bodies()

Login = tuple[str, str]


@pytest.mark.parametrize("name", BODIES)
def test_octets(server: MailServer, login: Login, opensmtpd: Peer, name: str) -> None:
    """Without PIPELINING too, not an octet differs below our Received."""
    token = f"opensmtpd-{name}"
    message = letter(token, ALICE, "bob@opensmtpd.test", BODIES[name])

    submit(server.address, SUBMISSION_PORT, login, "bob@opensmtpd.test", message)

    assert below_received_by(opensmtpd.mail.message(token), HOSTNAME) == as_stored(message)


def test_mixed_outcomes(server: MailServer, login: Login, opensmtpd: Peer, postfix: Peer) -> None:
    """One recipient gets the message, and the sender a report about the one that OpenSMTPD refuses."""
    message = letter("opensmtpd-mixed", ALICE, "bob@opensmtpd.test", b"hello\r\n")

    submit(server.address, SUBMISSION_PORT, login, "bob@opensmtpd.test,nobody@opensmtpd.test", message)

    assert below_received_by(opensmtpd.mail.message("opensmtpd-mixed"), HOSTNAME) == as_stored(message)
    _, _, (failed,) = bounce(postfix.mail, "opensmtpd-mixed")
    assert failed["Final-Recipient"] == "rfc822; nobody@opensmtpd.test"
    assert failed["Remote-MTA"] == f"dns; {opensmtpd.host}"
    assert failed["Status"].startswith("5.")
