"""swaks, the client: sends messages octet for octet."""

from __future__ import annotations

import subprocess
from pathlib import Path

from interop_daemons import SMTP_PORT

SWAKS = Path("/usr/bin/swaks")


def swaks(server: str, port: int, sender: str, recipients: str, message: bytes, *options: str) -> str:
    """Send `message` and return the dialogue; fail the test when a recipient or the message is refused.

    Dots are stuffed here, so that swaks hands the message on untouched.
    """
    done = run_swaks(server, port, sender, recipients, message, *options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def run_swaks(
    server: str, port: int, sender: str, recipients: str, message: bytes, *options: str
) -> subprocess.CompletedProcess[str]:
    """Send `message`, and return the exit status and the dialogue, whatever they are."""
    stuffed = message.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    words = ["--server", server, "--port", str(port), "--from", sender, "--to", recipients, "--no-data-fixup"]
    done = subprocess.run(
        [SWAKS, *words, "--data", "-", "--hide-informational", *options],
        input=stuffed,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, (done.stdout + done.stderr).decode("latin-1"), "")


def submit(server: str, port: int, login: tuple[str, str], recipients: str, message: bytes) -> str:
    """Submit `message` with STARTTLS and AUTH, from the login's own address."""
    user, password = login
    auth = ("--auth", "PLAIN", "--auth-user", user, "--auth-password", password, "--tls")
    return swaks(server, port, user, recipients, message, *auth)


def send(server: str, sender: str, recipients: str, message: bytes, *options: str) -> str:
    """Send `message` as one mail server does to another."""
    return swaks(server, SMTP_PORT, sender, recipients, message, *options)
