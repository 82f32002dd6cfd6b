"""Mail through the server under test, between programs that nobody here wrote."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage

import pytest
from interop_daemons import SMTP_PORT, Daemon, eventually
from interop_mail import Maildir, as_stored, below_received_by, hostile_bodies, letter, trace_fields
from interop_peers import Peer
from interop_server import HOSTNAME, SUBMISSION_PORT, SUBMISSIONS_PORT, MailServer
from interop_swaks import run_swaks, send, submit, swaks

ALICE = "alice@sender.test"
BODIES = hostile_bodies()

Login = tuple[str, str]


def bounce(mail: Maildir, token: str) -> tuple[EmailMessage, EmailMessage, list[EmailMessage]]:
    """Wait for the report about the message `token`; return it, its message fields and its recipients' fields."""
    stored = mail.report(token)
    report = email.message_from_bytes(stored, policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    status = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    about, *recipients = status.get_payload()
    return report, about, recipients


@pytest.mark.parametrize("name", BODIES)
def test_submission_to_both_peers(server: MailServer, login: Login, postfix: Peer, exim: Peer, name: str) -> None:
    """STARTTLS and AUTH, MX from knot, TLS to both: below our Received not an octet differs."""
    token = f"submitted-{name}"
    message = letter(token, ALICE, "bob@postfix.test", BODIES[name])

    submit(server.address, SUBMISSION_PORT, login, "bob@postfix.test,bob@exim.test", message)

    for peer in (postfix, exim):
        stored = peer.mail.message(token)
        assert below_received_by(stored, HOSTNAME) == as_stored(message)
        theirs, ours = trace_fields(stored)
        assert re.search(r"TLSv?1\.[23]", theirs)
        assert f"from {HOSTNAME} " in theirs or f"(helo={HOSTNAME})" in theirs
        assert " with ESMTPSA " in ours


def test_submission_over_implicit_tls(server: MailServer, login: Login, exim: Peer) -> None:
    """Port 465 speaks TLS from the first octet (RFC 8314 section 3.3)."""
    user, password = login
    message = letter("implicit", ALICE, "bob@exim.test", b"hello\r\n")
    auth = ("--auth", "LOGIN", "--auth-user", user, "--auth-password", password, "--tls-on-connect")

    swaks(server.address, SUBMISSIONS_PORT, user, "bob@exim.test", message, *auth)

    assert below_received_by(exim.mail.message("implicit"), HOSTNAME) == as_stored(message)


@pytest.mark.parametrize(
    ("domain", "kind"), [("second.test", "postfix"), ("hostless.test", "exim"), ("www.alias.test", "exim")]
)
def test_ways_to_a_host(
    server: MailServer, login: Login, request: pytest.FixtureRequest, domain: str, kind: str
) -> None:
    """The best MX is down; there is no MX but an address; the name is a CNAME (RFC 5321 section 5.1)."""
    peer: Peer = request.getfixturevalue(kind)
    message = letter(f"to-{domain}", ALICE, f"bob@{domain}", b"hello\r\n")

    submit(server.address, SUBMISSION_PORT, login, f"bob@{domain}", message)

    assert below_received_by(peer.mail.message(f"to-{domain}"), HOSTNAME) == as_stored(message)


def test_relay_for_a_domain(server: MailServer, postfix: Peer, exim: Peer) -> None:
    """Postfix sends to our MX over TLS, and we to the smart host: three Received fields, the rest untouched."""
    message = letter("relayed", "carol@postfix.test", "bob@relayed.test", BODIES["eight-bit"])

    send(postfix.address, "carol@postfix.test", "bob@relayed.test", message)

    stored = exim.mail.message("relayed")
    theirs, ours, first = trace_fields(stored)
    assert stored.endswith(as_stored(message))
    assert f"by {exim.host}" in theirs
    assert f"from {postfix.host}" in ours
    assert f"by {HOSTNAME} " in ours
    assert " with ESMTPS " in ours
    assert f"by {postfix.host}" in first


def test_recipient_that_the_next_hop_refuses(server: MailServer, peers: None) -> None:
    """It is refused at RCPT, so that nobody has to bounce it."""
    done = run_swaks(server.address, SMTP_PORT, "carol@postfix.test", "nobody@relayed.test", b"Subject: x\r\n\r\n")

    assert re.search(r"<\*\* 5[05]\d 5\.1\.1 ", done.stdout)


def test_no_relay_for_strangers(server: MailServer) -> None:
    """The MX takes nothing for other domains, from loopback either."""
    done = run_swaks(server.address, SMTP_PORT, "carol@postfix.test", "bob@exim.test", b"Subject: x\r\n\r\n")

    assert "<** 550 5.7.1 " in done.stdout


def test_mixed_outcomes(server: MailServer, login: Login, postfix: Peer, exim: Peer) -> None:
    """One recipient gets the message, and the sender a report about the other (RFC 3464, RFC 6522)."""
    message = letter("mixed", ALICE, "bob@postfix.test", b"hello\r\n")

    submit(server.address, SUBMISSION_PORT, login, "bob@postfix.test,nobody@exim.test", message)

    assert below_received_by(postfix.mail.message("mixed"), HOSTNAME) == as_stored(message)
    report, about, recipients = bounce(postfix.mail, "mixed")
    assert report["Return-Path"] == "<>"
    assert report["To"].addresses[0].addr_spec == ALICE
    assert report["From"].addresses[0].username.upper() == "MAILER-DAEMON"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report.get_param("report-type") == "delivery-status"
    kinds = [part.get_content_type() for part in report.iter_parts()]
    assert kinds[:2] == ["text/plain", "message/delivery-status"]
    assert kinds[2] in {"text/rfc822-headers", "message/rfc822"}
    assert about["Reporting-MTA"] == f"dns; {HOSTNAME}"
    (failed,) = recipients
    assert failed["Final-Recipient"] == "rfc822; nobody@exim.test"
    assert failed["Action"] == "failed"
    assert failed["Status"] == "5.1.1"
    assert failed["Remote-MTA"] == f"dns; {exim.host}"
    assert "550 5.1.1 there is nobody here" in " ".join(failed["Diagnostic-Code"].split())
    assert failed["Diagnostic-Code"].startswith("smtp;")


@pytest.mark.parametrize(
    ("recipient", "status"),
    [("bob@null.test", "5.1.10"), ("bob@gone.postfix.test", "5.1.2")],
)
def test_domains_without_mail(server: MailServer, login: Login, postfix: Peer, recipient: str, status: str) -> None:
    """A null MX (RFC 7505) and a domain that doesn't exist bounce at once."""
    token = f"nowhere-{recipient.partition('@')[2]}"

    submit(server.address, SUBMISSION_PORT, login, recipient, letter(token, ALICE, recipient, b"hello\r\n"))

    _, _, recipients = bounce(postfix.mail, token)
    assert [(one["Final-Recipient"], one["Status"]) for one in recipients] == [(f"rfc822; {recipient}", status)]


def test_greylisting(server: MailServer, login: Login, exim: Peer) -> None:
    """A first 450 is followed by another attempt, and one delivery."""
    message = letter("grey", ALICE, "bob@grey.test", b"hello\r\n")

    submit(server.address, SUBMISSION_PORT, login, "bob@grey.test", message)

    assert below_received_by(exim.mail.message("grey"), HOSTNAME) == as_stored(message)
    rejected = (exim.log.parent / "rejectlog").read_text()
    assert "bob@grey.test" in rejected
    assert len(re.findall(r" <= alice@sender\.test .* for bob@grey\.test", exim.logged())) == 1


def test_queue_is_empty_when_all_is_done(server: MailServer, knot: Daemon) -> None:
    """Nothing of what other tests sent stays behind."""
    eventually(lambda: server.command("--json", "queue", "list").strip() in {"", "[]"}, "the queue is empty")
