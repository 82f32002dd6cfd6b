"""The first five minutes, as README tells them: what it says to type is what is typed here."""

from __future__ import annotations

import base64
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest
from mail_sink import Sink
from running_site import CHECKOUT, RunningSite, wait_until
from typist import Typist

from twistedmail_mta.config.trial import ACCOUNT, SINK, TEXT

PASSWORD = "printed once"
PORTS = {
    "2525": "mx",
    "2587": "submission",
    "2465": "submissions",
    "2110": "pop3",
    "2995": "pop3s",
    "2143": "imap",
    "2993": "imaps",
}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[RunningSite]:
    """The trial site, but for its ports and the place of its files."""
    site = RunningSite(tmp_path_factory.mktemp("trial"))
    text = re.sub(r"tcp:\d+:", "tcp:0:", TEXT).replace(SINK, f"127.0.0.1:{sink.port}")
    for name, path in (("trial-certificate.pem", site.certificate), ("trial-key.pem", site.key)):
        text = text.replace(f"mta-state/{name}", str(path))
    site.config.write_text(text.replace('"mta-state"', f'"{site.state}"'))
    site.start()
    site.add_account(ACCOUNT, PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


@pytest.fixture(scope="module")
def readme() -> str:
    return (CHECKOUT / "README.md").read_text()


def typed(readme: str, first: str) -> list[str]:
    """The indented lines of README that begin with that one."""
    lines = [line.strip() for line in readme[readme.index(f"\n       {first}\n") :].splitlines()[1:]]
    return lines[: 1 + next(place for place, line in enumerate(lines) if line.endswith(("QUIT", "LOGOUT")))]


def by_hand(readme: str, site: RunningSite, listener: str, first: str) -> str:
    """Type what README says, wait for answers where a person would, and return all that was said."""
    with Typist(site.ports[listener]) as typist:
        for line in typed(readme, first):
            typist.send(line.replace("the-password-it-printed", PASSWORD).encode() + b"\r\n")
        return b"".join(typist.lines).decode()


def test_readme_names_the_ports_of_the_trial_site(readme: str) -> None:
    """All of them, and no other."""
    assert set(re.findall(r"tcp:(\d+):", TEXT)) == set(PORTS)
    assert set(re.findall(r"127\.0\.0\.1[: ](2\d{3})", readme)) <= set(PORTS)


def test_first_message_by_hand(trial: RunningSite, readme: str) -> None:
    """In by SMTP and out by POP3, typed."""
    said = by_hand(readme, trial, "mx", "HELO me")
    assert [line[:3] for line in said.splitlines()] == ["220", "250", "250", "250", "354", "250", "221"]

    read = by_hand(readme, trial, "pop3", "USER demo@localhost")

    assert "-ERR" not in read
    assert "Return-Path: <friend@example.org>\r\nDelivered-To: demo@localhost\r\nReceived: from me " in read
    assert "\r\nSubject: hello\r\n\r\nmy first message\r\n.\r\n" in read


def _is_not(begin: bytes, line: bytes) -> bool:
    return not line.startswith(begin)


def test_first_message_by_imap(trial: RunningSite, readme: str) -> None:
    """Each command is typed when the one before is answered."""
    by_hand(readme, trial, "mx", "HELO me")
    lines = typed(readme, "a LOGIN demo@localhost the-password-it-printed")

    heard = []
    with socket.create_connection(("127.0.0.1", trial.ports["imap"])) as connection:
        answers = connection.makefile("rb")
        for line in lines:
            connection.sendall(line.replace("the-password-it-printed", f'"{PASSWORD}"').encode() + b"\r\n")
            heard += takewhile(partial(_is_not, line[:2].encode() + b"OK"), answers)

    said = b"".join(heard)
    assert b"Subject: hello\r\n" in said
    assert b"my first message\r\n" in said
    assert b"* SEARCH 1" in said
    assert b'"/" "INBOX"\r\n' in said or b'"/" INBOX\r\n' in said


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl isn't installed")
def test_messages_by_curl(trial: RunningSite, readme: str, tmp_path: Path) -> None:
    """Every curl line of README, the password in the place of the question for it."""
    lines = [line.strip() for line in readme.splitlines() if "curl -k" in line]
    send = next(line for line in lines if line.startswith("printf"))
    fetches = re.findall(r"`(curl -k [^`]*(?:pop3|imap):[^`]*)`", readme)
    assert len(fetches) == 2

    for command in (send, *fetches):
        for port, listener in PORTS.items():
            command = command.replace(f"127.0.0.1:{port}", f"127.0.0.1:{trial.ports[listener]}")  # noqa: PLW2901
        command = command.replace(f"-u {ACCOUNT}", f"-sS -u {shlex.quote(f'{ACCOUNT}:{PASSWORD}')}")  # noqa: PLW2901
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        assert command.startswith("printf") or "Delivered-To: demo@localhost" in done.stdout


def test_mail_to_others_stays_on_this_machine(trial: RunningSite, sink: Sink) -> None:
    """It goes to the next hop of the trial site; a stranger's doesn't even get in."""
    before = len(sink.messages)
    with Typist(trial.ports["mx"]) as typist:
        typist.reply()
        typist.type("HELO me")
        typist.type("MAIL FROM:<friend@example.org>")
        assert typist.type("RCPT TO:<you@example.net>").startswith("550 5.7.1")
        assert typist.type("RCPT TO:<nobody@localhost>").startswith("550 5.1.1")
    with Typist(trial.ports["submission"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        login = base64.b64encode(f"\0{ACCOUNT}\0{PASSWORD}".encode()).decode()
        assert typist.type(f"AUTH PLAIN {login}").startswith("235"), "in clear, from loopback only"
        typist.type(f"MAIL FROM:<{ACCOUNT}>")
        typist.type("RCPT TO:<you@example.net>")
        typist.type("DATA")
        assert typist.type("Subject: x\r\n\r\nHello\r\n.").startswith("250")

    wait_until(lambda: len(sink.messages) > before)
    assert sink.messages[-1].recipients == ["<you@example.net>"]
