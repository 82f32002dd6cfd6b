"""STARTTLS: nothing crosses the border between clear and encrypted (RFC 3207 section 4.2)."""

from __future__ import annotations

import base64
import smtplib
import ssl
from pathlib import Path

from mail_sink import running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until
from typist import Typist


def test_commands_after_starttls_are_not_run(mx: Typist) -> None:
    """Octets in the same segment as STARTTLS end the session before any handshake."""
    mx.type("EHLO me")
    mx.send(b"STARTTLS\r\nMAIL FROM:<injected@strangers.test>\r\nRCPT TO:<user@relayed.test>\r\n")

    answer = mx.reply()
    assert answer[:1] in "45"
    assert b"250" not in mx.rest()


def test_octets_before_the_handshake_fail_it(site: RunningSite, mx: Typist) -> None:
    """What arrives in clear after the 220 is no TLS: the handshake fails, with one line in the log."""
    mx.type("EHLO me")
    assert mx.type("STARTTLS").startswith("220 ")
    before = site.log.count("smtp.tls.failed") + site.log.count("TLS with")
    mx.send(b"MAIL FROM:<injected@strangers.test>\r\n")

    assert b"250" not in mx.rest()
    wait_until(lambda: site.log.count("smtp.tls.failed") + site.log.count("TLS with") == before + 1)


def test_nothing_said_in_clear_survives(mx: Typist) -> None:
    """EHLO and MAIL given before TLS are forgotten."""
    mx.type("EHLO me")
    mx.type("MAIL FROM:<joe@strangers.test>")
    mx.type("RSET")
    mx.type("MAIL FROM:<joe@strangers.test>")
    mx.type("RSET")
    assert mx.type("STARTTLS").startswith("220")
    mx.start_tls()
    assert mx.type("RCPT TO:<user@relayed.test>").startswith("503")
    assert mx.type("MAIL FROM:<joe@strangers.test>").startswith("503")
    assert "STARTTLS" not in mx.type("EHLO me")
    assert mx.type("STARTTLS").startswith("503")


def test_a_login_in_clear_does_not_survive(submission: Typist) -> None:
    """Who logged in before STARTTLS is nobody after it, and may log in again (RFC 3207 section 4.2)."""
    login = "AUTH PLAIN " + base64.b64encode(f"\0{ACCOUNT}\0{PASSWORD}".encode()).decode()
    submission.type("EHLO me")
    assert submission.type(login).startswith("235")
    assert submission.type("STARTTLS").startswith("220")
    submission.start_tls()

    submission.type("EHLO me")
    assert submission.type(f"MAIL FROM:<{ACCOUNT}>").startswith("530 5.7.0")
    assert submission.type(login).startswith("235")
    assert submission.type(f"MAIL FROM:<{ACCOUNT}>").startswith("250")


def test_places_are_free_after_goodbye(directory: Path) -> None:
    """A session that said QUIT behind its message, in one write as most servers do, leaves nothing behind under TLS."""
    with running_sink() as sink:
        mx = '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\nlimits.connections_per_client = 2\n'
        relayed = f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
        site = RunningSite(directory, relayed, mx).start()
        try:
            for _ in range(6):
                with Typist(site.ports["mx"]) as typist:
                    assert typist.reply().startswith("220")
                    typist.type("EHLO me")
                    assert typist.type("STARTTLS").startswith("220")
                    typist.start_tls()
                    for line in ("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<ann@relayed.test>", "DATA"):
                        typist.type(line)
                    assert typist.type("hello\r\n.\r\nQUIT").startswith("250")
                    assert typist.reply().startswith("221")
                    assert typist.rest() == b""
        finally:
            assert site.stop() == 0


def test_standard_client(site: RunningSite) -> None:
    """smtplib logs in over STARTTLS and over implicit TLS."""
    context = ssl.create_default_context(cafile=str(site.certificate))
    with smtplib.SMTP("localhost", site.ports["submission"], timeout=20) as client:
        client.starttls(context=context)
        client.login(ACCOUNT, PASSWORD)
        assert client.sendmail(ACCOUNT, ["bob@anywhere.test"], "Subject: hi\r\n\r\n.hello\r\n") == {}
    with smtplib.SMTP_SSL("localhost", site.ports["submissions"], timeout=20, context=context) as client:
        client.login(ACCOUNT, PASSWORD)
        assert client.sendmail(ACCOUNT, ["bob@anywhere.test"], "Subject: hi\r\n\r\nhello\r\n") == {}
