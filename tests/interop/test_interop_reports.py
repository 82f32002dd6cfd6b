"""Reports of success: next hops that offer DSN make them, for those that don't the server under test does."""

from __future__ import annotations

import email
import email.policy
import smtplib
import ssl
from email.message import EmailMessage

import pytest
from interop_mail import letter
from interop_peers import Peer
from interop_server import HOSTNAME, SUBMISSION_PORT, MailServer

ALICE = "alice@sender.test"


def submit_asking(server: MailServer, login: tuple[str, str], recipient: str, token: str) -> None:
    """Submit a message whose sender wants to hear of success."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP(server.address, SUBMISSION_PORT, timeout=30) as client:
        client.starttls(context=context)
        client.login(*login)
        client.sendmail(
            ALICE,
            [recipient],
            letter(token, ALICE, recipient, b"hello\r\n"),
            mail_options=["RET=HDRS", "ENVID=QQ+2B1"],
            rcpt_options=["NOTIFY=SUCCESS", f"ORCPT=rfc822;{recipient}"],
        )


def report_about(postfix: Peer, token: str) -> tuple[EmailMessage, EmailMessage]:
    """Wait for the report about `token`; return its message fields and its only recipient's."""
    report = email.message_from_bytes(postfix.mail.report(token), policy=email.policy.default)
    status = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    about, recipient = status.get_payload()
    return about, recipient


@pytest.mark.parametrize(
    ("recipient", "action", "reporter"),
    [
        ("bob@postfix.test", "delivered", "postfix.peers.test"),
        ("bob@exim.test", "relayed", HOSTNAME),
        ("bob@lmtp.test", "delivered", HOSTNAME),
    ],
)
def test_success_is_reported_once(  # noqa: PLR0917 - fixtures and cases
    server: MailServer, login: tuple[str, str], postfix: Peer, recipient: str, action: str, reporter: str
) -> None:
    """Postfix offers DSN and reports by itself; Exim, as it is here, and Dovecot's LMTP don't."""
    token = f"success-{recipient.partition('@')[2]}"

    submit_asking(server, login, recipient, token)

    about, group = report_about(postfix, token)
    assert about["Reporting-MTA"] == f"dns; {reporter}"
    assert about["Original-Envelope-Id"] == "QQ+1"
    assert group["Action"] == action
    assert group["Status"].startswith("2.")
    assert group["Original-Recipient"] in {f"rfc822; {recipient}", f"rfc822;{recipient}"}
