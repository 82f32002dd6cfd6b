"""Mail comes in by swaks and goes out to POP3 clients that nobody here wrote, octet for octet."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop_mail import as_stored, hostile_bodies, letter
from interop_pop3 import CLIENTS, PROGRAMS, Account
from interop_swaks import SWAKS, swaks
from running_site import PASSWORD, RunningSite, wait_until
from typist import Typist

BODIES = {name: body for name, body in hostile_bodies().items() if name != "megabyte"}


@pytest.fixture(scope="module")
def hosting() -> Iterator[RunningSite]:
    """A site that keeps mail of hosted.test and serves it by POP3 as it should be: over TLS alone."""
    missing = [str(program) for program in (SWAKS, *PROGRAMS) if not program.exists()]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (tests/interop/install-peers.sh and the test extra)")
    if os.geteuid() != 0:
        pytest.skip("getmail stores mail as another user")
    at = "tcp:0:interface=127.0.0.1"
    listeners = "".join(
        f'[listen.{name}]\nendpoint = "{at}"\nrole = "{role}"\n{more}'
        for name, role, more in (("mx", "mx", ""), ("pop3", "pop3", ""), ("pop3s", "pop3", 'tls = "implicit"\n'))
    )
    folder = Path(tempfile.mkdtemp(prefix="mta-pop3-"))
    folder.chmod(0o755)
    site = RunningSite(folder, '[domains."hosted.test"]\n', listeners).start()
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log
    shutil.rmtree(folder)


def _account(site: RunningSite, name: str) -> Account:
    user, home = f"{name}@hosted.test", site.directory / name
    site.add_account(user, PASSWORD)
    home.mkdir()
    return Account(user, PASSWORD, site.ports["pop3"], site.ports["pop3s"], site.certificate, home)


def _as_client_stores(kind: str, message: bytes) -> bytes:
    return message if kind.startswith(("poplib", "curl")) else as_stored(message)


@pytest.mark.parametrize("kind", CLIENTS)
def test_clients_read_what_was_sent(kind: str, hosting: RunningSite) -> None:
    """Each message is there once, below the trace fields as it was sent, and gone when it was deleted."""
    account = _account(hosting, kind)
    bodies = dict(BODIES)
    if kind.startswith("poplib"):
        del bodies["long-lines"]  # poplib takes lines of 2,048 octets at most
    messages = [letter(name, "joe@elsewhere.test", account.user, body) for name, body in bodies.items()]
    for message in messages:
        swaks("127.0.0.1", hosting.ports["mx"], "joe@elsewhere.test", account.user, message)

    fetched = CLIENTS[kind](account)

    assert len(fetched) == len(messages)
    for message in messages:
        wanted = _as_client_stores(kind, message)
        assert any(mail.endswith(wanted) for mail in fetched), (message[:300], [mail[-300:] for mail in fetched])
    wait_until(lambda: f" of {account.user} ended: " in hosting.log)
    assert CLIENTS["poplib"](account) == []


@pytest.mark.parametrize("kind", ["curl", "mpop"])
def test_large_messages(kind: str, hosting: RunningSite) -> None:
    """A megabyte with a dot at every line, through the path that sends piece by piece."""
    account = _account(hosting, f"large-{kind}")
    message = letter("megabyte", "joe@elsewhere.test", account.user, hostile_bodies()["megabyte"])
    swaks("127.0.0.1", hosting.ports["mx"], "joe@elsewhere.test", account.user, message)

    (mail,) = CLIENTS[kind](account)

    assert mail.endswith(_as_client_stores(kind, message))


def test_what_a_mail_program_does(hosting: RunningSite) -> None:
    """The commands of a graphical mail program that leaves copies on the server, in its order."""
    account = _account(hosting, "desktop")
    for name in ("first", "second", "third"):
        message = letter(name, "joe@elsewhere.test", account.user, b"text\r\n")
        swaks("127.0.0.1", hosting.ports["mx"], "joe@elsewhere.test", account.user, message)

    with Typist(account.starttls) as program:
        program.reply()
        assert "STLS" in _long(program, "CAPA")
        assert program.type("STLS").startswith("+OK")
        program.start_tls()
        assert "SASL PLAIN LOGIN" in _long(program, "CAPA")
        assert program.type("AUTH PLAIN") == "+ "
        assert program.type("AGRlc2t0b3BAaG9zdGVkLnRlc3QAY29ycmVjdCBob3JzZQ==").startswith("+OK")
        count, octets = program.type("STAT").split()[1:]
        ids = _long(program, "UIDL")
        sizes = [int(line.split()[1]) for line in _long(program, "LIST")]
        assert (count, int(octets)) == ("3", sum(sizes))
        assert "Subject: third" in _long(program, "TOP 3 0")
        assert sum(len(line) + 2 for line in _long(program, "RETR 1")) == sizes[0]
        assert program.type("DELE 1").startswith("+OK")
        assert program.type("QUIT").startswith("+OK")
    with Typist(account.implicit) as program:
        program.start_tls()
        program.reply()
        program.type("USER desktop@hosted.test")
        assert program.type(f"PASS {PASSWORD}").startswith("+OK Logged in: 2 messages")
        assert [line.split()[1] for line in _long(program, "UIDL")] == [line.split()[1] for line in ids[1:]]


def _long(typist: Typist, command: str) -> list[str]:
    """Type a command; return the lines of its answer."""
    assert typist.type(command).startswith("+OK")
    lines = []
    while (line := typist.lines.readline().decode("latin-1").rstrip("\r\n")) != ".":
        lines.append(line)
    return lines
