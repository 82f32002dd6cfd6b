"""Rewriting at a running server: next hops, mailboxes, a map that changes, and mistakes told before the start."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from imaplib import IMAP4

import pytest
from mail_sink import Received, Sink, running_sink
from running_site import PASSWORD, RunningSite, wait_until

ANN, BEN = "ann@host.home.test", "ben@home.test"
TOML = """
[domains."home.test"]
[domains."host.home.test"]

[[route]]
match = {{}}
via   = "smtp://127.0.0.1:{sink}"

[plugins.canonical]
use               = "rewrite"
look_every        = "100ms"
may_send_anywhere = true

[[plugins.canonical.rules]]
file = "canonical"

[[plugins.canonical.rules]]
from   = "*@*.home.test"
to     = "*@home.test"
except = "root@*"

[[plugins.canonical.rules]]
from  = "*@old.test"
to    = "*@home.test"
where = "recipients"

[[plugins.canonical.rules]]
from  = "*@alias.test"
to    = "*@far.test"
where = "RCPT"

[listen.submission]
endpoint        = "tcp:0:interface=127.0.0.1"
role            = "submission"
plugins         = ["canonical"]
plaintext_login = ["127.0.0.0/8"]

[listen.imap]
endpoint        = "tcp:0:interface=127.0.0.1"
role            = "imap"
plaintext_login = ["127.0.0.0/8"]
"""
TEXT = (
    'from:"Ann (host)" <{ann}>(at ann@host.home.test)\r\n'
    "To: us: ben@{old}, =?utf-8?q?J=C3=B6rg?=\r\n\t<j@far.test>;\r\n"
    "Message-ID: <{token}@host.home.test>\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\n"
    "X-Octets: caf\u00e9 ann@host.home.test \r\n\r\nann@host.home.test\r\n.dot\r\n  \r\n"
)


@pytest.fixture(scope="module")
def home() -> Iterator[Sink]:
    with running_sink() as sink:
        sink.extensions = ("PIPELINING", "8BITMIME", "DSN")
        yield sink


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, home: Sink) -> Iterator[RunningSite]:
    """A site with rules and a map."""
    site = RunningSite(tmp_path_factory.mktemp("rewriting"), TOML.format(sink=home.port), "")
    (site.directory / "canonical").write_text("# nobody yet\n")
    for address in (ANN, BEN):
        site.add_account(address, PASSWORD)
    site.start()
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def send(site: RunningSite, token: str, *to: str) -> None:
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
        client.login(ANN, PASSWORD)
        client.sendmail(ANN, to, text(token).encode(), ["BODY=8BITMIME"])


def text(token: str, ann: str = ANN, old: str = "old.test") -> str:
    return TEXT.format(token=token, ann=ann, old=old)


def arrived(home: Sink, token: str) -> Received:
    """Wait for a message at the next hop."""

    def look() -> list[Received]:
        return [each for each in home.messages if token.encode() in each.data]

    wait_until(look)
    (found,) = look()
    return found


def written(received: bytes) -> str:
    """What a message holds below the trace field."""
    return received[received.index(b"from:") :].decode()


def test_what_arrives(site: RunningSite, home: Sink) -> None:
    """One form for the world; apart from the addresses that were meant every octet is as it was written."""
    send(site, "first", "j@far.test", "ben@old.test", "k@alias.test")

    received = arrived(home, "first")
    expected = text("first", "ann@home.test", "home.test")
    assert received.sender.startswith("<ann@home.test>")
    assert sorted(each.partition(" ")[0] for each in received.recipients) == ["<j@far.test>", "<k@far.test>"]
    assert any("ORCPT=rfc822;k@alias.test" in each for each in received.recipients)
    assert written(received.data) == expected
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(BEN, PASSWORD)
        client.select("INBOX", readonly=True)
        (_, octets), *_ = client.fetch("1", "(BODY[])")[1]  # type: ignore[misc]
    assert octets.startswith(b"Return-Path: <ann@home.test>\r\nDelivered-To: ben@home.test\r\n")
    assert written(octets) == expected


def test_a_map_that_changes(site: RunningSite, home: Sink) -> None:
    """It counts a moment later; one with a mistake doesn't, and the log says which."""
    canonical = site.directory / "canonical"
    canonical.write_text(f"{ANN} office@far.test\n")
    wait_until(lambda: "canonical read again: 1 lines" in site.log)
    send(site, "second", "j@far.test")
    assert arrived(home, "second").sender.startswith("<office@far.test>")

    canonical.write_text(f"{ANN} other@far.test\nnobody\n")
    wait_until(lambda: "line 2: must be an address, white space" in site.log)
    send(site, "third", "j@far.test")
    assert written(arrived(home, "third").data) == text("third", "office@far.test", "home.test")


def test_mistakes_are_told(site: RunningSite) -> None:
    """All of them before the start, with the key path, or the file and the line."""
    good = site.config.read_text()
    for old, new, wanted in (
        ('where = "RCPT"', 'where = "RCTP"', "plugins.canonical.rules[3].where: 'RCTP' must be one of"),
        ('to     = "*@home.test"', 'to     = "home.test"', "plugins.canonical.rules[1].to: must be an address"),
        ("use               =", "use               =", "canonical: line 1: must be an address"),
    ):  # fmt: skip
        try:
            site.config.write_text(good.replace(old, new, 1))
            (site.directory / "canonical").write_text("x\n" if old == new else "")
            answer = site.mta("plugin", "check", check=False)
        finally:
            site.config.write_text(good)
            (site.directory / "canonical").write_text("")
        assert answer.returncode == 1
        assert wanted in answer.stdout + answer.stderr
    assert json.loads(site.mta("--json", "plugin", "check").stdout)["ok"]
