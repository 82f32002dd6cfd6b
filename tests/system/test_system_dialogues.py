"""What people type by hand in courses and when they debug, line by line."""

from __future__ import annotations

import base64
import uuid

import pytest
from mail_sink import Received, Sink
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until
from typist import Typist


def arrived(sink: Sink, mark: str) -> Received:
    """The message that holds `mark`, once it is there."""
    found: list[Received] = []
    wait_until(lambda: found.extend(m for m in sink.messages if mark.encode() in m.data) or found)
    return found[0]


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_first_steps(mx: Typist, sink: Sink) -> None:
    """A session as in a course: HELO, lower case, no angle brackets, a body without any header."""
    mark = uuid.uuid4().hex

    assert mx.type("helo me").startswith("250 ")
    assert mx.type("mail from: joe@strangers.test").startswith("250 2.1.0")
    assert mx.type("rcpt to: ann@relayed.test").startswith("250 2.1.5")
    assert mx.type("data").startswith("354 ")
    assert mx.type(f"Hello Ann: {mark}\r\nbye\r\n.").startswith("250 2.0.0 Ok: queued as ")
    assert mx.type("quit").startswith("221 ")

    message = arrived(sink, mark)
    assert message.sender.startswith("<joe@strangers.test>")
    header, _, _body = message.data.partition(b"\r\n\r\n")
    assert header.startswith(b"Received: from me ")


def test_text_without_header_stays_text(mx: Typist, sink: Sink) -> None:
    """If the first line typed is no header field, everything typed is the body."""
    mark = uuid.uuid4().hex

    mx.type("EHLO me")
    mx.type("MAIL FROM:<joe@strangers.test>")
    mx.type("RCPT TO:<ann@relayed.test>")
    mx.type("DATA")
    mx.type(f"Dear Ann,\r\nthis is {mark}\r\n..\r\n.")

    assert arrived(sink, mark).data.endswith(f"\r\n\r\nDear Ann,\r\nthis is {mark}\r\n.\r\n".encode())


def test_wrong_order_is_told(mx: Typist) -> None:
    """Commands out of order get 503 and the session goes on."""
    assert mx.type("DATA").startswith("503 5.5.1")
    assert mx.type("RCPT TO:<ann@relayed.test>").startswith("503 5.5.1")
    assert mx.type("EHLO me").startswith("250")
    assert mx.type("RCPT TO:<ann@relayed.test>").startswith("503 5.5.1")
    assert mx.type("MAIL FROM:<>").startswith("250")
    assert mx.type("DATA")[:3] in ("503", "554")
    assert mx.type("RSET").startswith("250 2.0.0")


def test_help_vrfy_noop_and_unknown(mx: Typist) -> None:
    """Every command of RFC 5321 is known; others are told so."""
    assert "214" in mx.type("HELP")
    assert mx.type("NOOP").startswith("250 2.0.0")
    assert mx.type("VRFY postmaster").startswith("252 2.")
    assert mx.type("EXPN staff").startswith("502 5.5.1")
    assert mx.type("TURN").startswith("502 5.5.1")
    assert mx.type("XYZZY").startswith("500 5.5.")
    assert mx.type("QUIT").startswith("221 2.0.0")
    assert mx.rest() == b""


def test_login_typed_in_base64(submission: Typist, sink: Sink) -> None:
    """AUTH LOGIN, question by question; then a message goes out with the fields that were missing."""
    mark = uuid.uuid4().hex

    assert "250-AUTH PLAIN LOGIN" in submission.type("EHLO me")
    assert submission.type("MAIL FROM:<alice@example.org>").startswith("530 5.7.0")
    assert submission.type("AUTH LOGIN") == "334 " + base64_of("Username:")
    assert submission.type(base64_of(ACCOUNT)) == "334 " + base64_of("Password:")
    assert submission.type(base64_of(PASSWORD)).startswith("235 2.7.0")
    assert submission.type(f"MAIL FROM:<{ACCOUNT}>").startswith("250")
    assert submission.type("RCPT TO:<bob@anywhere.test>").startswith("250")
    submission.type("DATA")
    assert submission.type(f"Subject: {mark}\r\nBcc: secret@anywhere.test\r\n\r\nhello\r\n.").startswith("250")

    data = arrived(sink, mark).data
    assert b"\r\nFrom: <alice@example.org>\r\n" in data
    assert b"\r\nDate: " in data
    assert b"\r\nMessage-ID: <" in data
    assert b"Bcc" not in data


def test_one_id_from_login_to_message(site: RunningSite, submission: Typist) -> None:
    """The log names the session at the login and again with the message it brought."""
    submission.type("EHLO me")
    submission.type("AUTH PLAIN " + base64_of(f"\0{ACCOUNT}\0{PASSWORD}"))
    submission.type(f"MAIL FROM:<{ACCOUNT}>")
    submission.type("RCPT TO:<bob@anywhere.test>")
    submission.type("DATA")
    queue_id = submission.type("Subject: x\r\n\r\n.").rsplit(" ", 1)[1]

    wait_until(lambda: f"{queue_id} accepted from <{ACCOUNT}>" in site.log)
    (accepted,) = [line for line in site.log.splitlines() if f"{queue_id} accepted from <{ACCOUNT}>" in line]
    session = accepted.rsplit("session ", 1)[1]
    assert f"{ACCOUNT} logged in from 127.0.0.1, session {session}" in site.log


def test_login_with_initial_response(submission: Typist) -> None:
    """AUTH PLAIN in one line, also after HELO."""
    submission.type("HELO me")

    assert submission.type("AUTH PLAIN " + base64_of(f"\0{ACCOUNT}\0{PASSWORD}")).startswith("235")
    assert submission.type("AUTH PLAIN").startswith("503 5.5.1")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["AUTH PLAIN !!!"], "501"),
        (["AUTH PLAIN ="], "501"),
        (["AUTH LOGIN", "*"], "501"),
        (["AUTH"], "501"),
        (["AUTH NTLM"], "504"),
        (["AUTH PLAIN " + base64_of(f"\0{ACCOUNT}\0wrong")], "535"),
        (["AUTH PLAIN " + base64_of("\0nobody@example.org\0wrong")], "535"),
    ],
)
def test_failed_logins(submission: Typist, lines: list[str], code: str) -> None:
    """Whatever is wrong with a login is told, and the session goes on."""
    submission.type("EHLO me")

    replies = [submission.type(line) for line in lines]

    assert replies[-1].startswith(code)
    assert submission.type("NOOP").startswith("250")


def test_no_login_in_clear_elsewhere(mx: Typist) -> None:
    """The MX listener offers no login at all."""
    assert "AUTH" not in mx.type("EHLO me")
    assert mx.type("AUTH PLAIN AGFsaWNlAGI=")[:3] in ("502", "503")


def test_sender_must_be_the_logins(submission: Typist) -> None:
    """Envelope sender and From are bound to the login."""
    submission.type("EHLO me")
    submission.type("AUTH PLAIN " + base64_of(f"\0{ACCOUNT}\0{PASSWORD}"))

    assert submission.type("MAIL FROM:<boss@example.org>").startswith("553 5.7.1")
    assert submission.type(f"MAIL FROM:<{ACCOUNT}>").startswith("250")
    assert submission.type("RCPT TO:<bob@anywhere.test>").startswith("250")
    submission.type("DATA")
    assert submission.type("From: boss@example.org\r\n\r\nx\r\n.").startswith("550 5.7.1")


def test_read_receipts_have_no_sender(submission: Typist) -> None:
    """A null sender is fine when From is the login's own, and only then."""
    submission.type("EHLO me")
    submission.type("AUTH PLAIN " + base64_of(f"\0{ACCOUNT}\0{PASSWORD}"))
    for sender, code in ((ACCOUNT, "250"), ("boss@example.org", "550")):
        assert submission.type("MAIL FROM:<>").startswith("250")
        submission.type("RCPT TO:<bob@anywhere.test>")
        submission.type("DATA")
        assert submission.type(f"From: {sender}\r\nSubject: read\r\n\r\nx\r\n.").startswith(code)


def test_implicit_tls(site: RunningSite) -> None:
    """The 465 kind: TLS from the first octet, then AUTH."""
    with Typist(site.ports["submissions"]) as typist:
        typist.start_tls()
        assert typist.reply().startswith("220 ")
        assert "AUTH PLAIN LOGIN" in typist.type("EHLO me")
        assert typist.type("AUTH PLAIN " + base64_of(f"\0{ACCOUNT}\0{PASSWORD}")).startswith("235")
        assert typist.type("STARTTLS").startswith("503")


def test_telnet_option_bytes(mx: Typist) -> None:
    """Some telnet programs begin by negotiating; that isn't part of the first command."""
    mx.send(b"\xff\xfb\x18\xff\xfd\x03")
    assert mx.type("EHLO me").startswith("250")


def test_eight_bit_verbs(mx: Typist) -> None:
    """Octets that are no verb are an unknown command, never an end of the connection."""
    mx.send(b"\xff\xfe\xc3\r\nDA\xc3TA\r\n\x00\r\n")
    assert [mx.reply()[:3] for _ in range(3)] == ["500", "500", "500"]
    assert mx.type("NOOP").startswith("250")
