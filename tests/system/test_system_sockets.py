"""Ports that systemd binds, as etc/mta.socket has it: given to the server by its own tool for that."""

from __future__ import annotations

import re
import shutil
import smtplib
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from free_ports import free_base
from running_site import CHECKOUT, RunningSite, environment, wait_until

ROLES = {25: "mx", 587: "submission", 465: "submissions", 993: "imaps", 995: "pop3s"}
KINDS = {"submissions": "submission", "imaps": "imap", "pop3s": "pop3"}
"""Roles of the listeners with TLS from the first octet."""


def listener(place: int, name: str) -> str:
    """Return a listener at one of the sockets."""
    tls = 'tls = "implicit"\n' if name in KINDS else ""
    return f'[listen.{name}]\nendpoint = "systemd:domain=INET:index={place}"\nrole = "{KINDS.get(name, name)}"\n{tls}'


def ports_of_the_unit() -> list[int]:
    """Return the ports of etc/mta.socket, in its order."""
    text = (CHECKOUT / "etc" / "mta.socket").read_text()
    return [int(port) for port in re.findall(r"^ListenStream=(\d+)$", text, re.MULTILINE)]


@pytest.mark.parametrize("which", ["index=0", "name=mx"])
def test_without_systemd(tmp_path: Path, which: str) -> None:
    """Who starts the server by hand is told that there are no sockets for it; it doesn't run without any."""
    site = RunningSite(tmp_path, "", f'[listen.mx]\nendpoint = "systemd:domain=INET:{which}"\nrole = "mx"\n')

    with pytest.raises(AssertionError, match="did not start"):
        site.start()

    assert site.wait() == 1
    assert f"mta: listen.mx: systemd gave no such socket: systemd:domain=INET:{which}" in site.log
    assert "Traceback" not in site.log


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd isn't installed")
def test_activated_by_systemd(tmp_path: Path) -> None:
    """The first client starts the server; mail comes in by the sockets that it was given, each in its role."""
    assert ports_of_the_unit() == list(ROLES)
    listeners = "".join(listener(place, name) for place, name in enumerate(ROLES.values()))
    site, base = RunningSite(tmp_path, '[domains."example.org"]\n', listeners), free_base()
    site.add_account("alice@example.org", "correct horse")
    sockets = [word for port in ROLES for word in ("-l", f"127.0.0.1:{base + port}")]
    names = ":".join(["mta.socket"] * len(ROLES))  # as systemd calls them that have no names of their own
    passed_on = [word for name in ("PYTHONPATH", "PYTHONUNBUFFERED") for word in ("-E", name)]
    twistd = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
    program = [*twistd, "-n", "--pidfile=", "mta", "--config", str(site.config)]
    with site.log_path.open("wb") as log:
        activator = subprocess.Popen(
            ["systemd-socket-activate", *sockets, f"--fdname={names}", *passed_on, *program],
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: site.log.count("Listening on") == len(ROLES), 20)
        with smtplib.SMTP("127.0.0.1", base + 25, timeout=15) as stranger:
            stranger.sendmail("bob@example.net", ["alice@example.org"], b"Subject: by a socket\r\n\r\nhello\r\n")
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                stranger.sendmail("bob@example.net", ["far@example.com"], b"Subject: x\r\n\r\nhello\r\n")
        context = ssl.create_default_context(cafile=str(site.certificate))
        context.check_hostname = False
        with smtplib.SMTP_SSL("127.0.0.1", base + 465, timeout=15, context=context) as login:
            login.login("alice@example.org", "correct horse")
            login.sendmail("alice@example.org", ["alice@example.org"], b"Subject: by another\r\n\r\nhello\r\n")
        checked = site.mta("check", "--offline")
    finally:
        activator.terminate()
        activator.wait(30)

    assert site.mta("account", "show", "alice@example.org").stdout.count("2 messages") == 1
    assert "is held by" not in checked.stdout
    assert "Traceback" not in site.log
