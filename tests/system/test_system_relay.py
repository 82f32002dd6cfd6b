"""The relay is closed, whoever asks and however."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_sink import Sink
from running_site import RunningSite, wait_until
from typist import Typist

FOREIGN = [
    "user@foreign.test",
    '"user@foreign.test"@foreign.test',
    "@relayed.test:user@foreign.test",
    "@relayed.test,@b.test:user@foreign.test",
    "user@[203.0.113.9]",
    "user@[127.0.0.1]",
    "user@[IPv6:2001:db8::1]",
    "user@FOREIGN.test",
    "user@relayed.test.foreign.test",
    "user@sub.relayed.test",
    "user@xrelayed.test",
    "user@mail.example.org",
    "user@localhost",
    "user",
    "postmaster@foreign.test",
    "user%foreign.test@relayed.test",
    "foreign.test!user@relayed.test",
    '"user@foreign.test"@relayed.test',
    '"user%foreign.test"@relayed.test',
]
"""Paths that some servers have relayed.

The last ones are for a domain of this site, whose next hop may trust this
site and relay them.
"""

SOURCES = ["127.0.0.1", "127.0.0.2", "127.1.2.3"]


@pytest.mark.parametrize("source", SOURCES)
def test_strangers_cannot_relay(site: RunningSite, source: str) -> None:
    """No address of the client opens the relay: not loopback, not a gateway's."""
    _relays_nothing(site, source)


def _relays_nothing(site: RunningSite, source: str) -> None:
    for path in FOREIGN:
        with Typist(site.ports["mx"], source=source) as typist:
            typist.reply()
            typist.type("EHLO mail.example.org")
            typist.type("MAIL FROM:<postmaster@example.org>")
            assert typist.type(f"RCPT TO:<{path}>")[:5] in ("550 5", "501 5", "553 5"), path
            assert typist.type("DATA")[:3] in ("503", "554"), path


def test_relayed_domains_are_taken(site: RunningSite) -> None:
    """What the site is the MX of is taken from anyone."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        typist.type("MAIL FROM:<>")
        for path in ["user@relayed.test", "user@RELAYED.test", "@a.test:user@relayed.test", "postmaster"]:
            assert typist.type(f"RCPT TO:<{path}>").startswith("250 "), path


@pytest.mark.parametrize("source", SOURCES)
def test_submission_needs_a_login(site: RunningSite, source: str) -> None:
    """On the submission port nothing at all goes without a login."""
    with Typist(site.ports["submission"], source=source) as typist:
        typist.reply()
        typist.type("EHLO me")
        assert typist.type("MAIL FROM:<alice@example.org>").startswith("530 5.7.0")
        assert typist.type("RCPT TO:<user@relayed.test>").startswith("503 5.5.1")


GRANTED = "127.0.0.9"


@pytest.fixture(scope="module")
def granting(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[RunningSite]:
    """A site that lets one host send on, as one sender."""
    site = RunningSite(
        tmp_path_factory.mktemp("granting"),
        f"""[plugins.scanner]
use = "relay_networks"
networks = ["{GRANTED}"]
senders = ["scanner@example.org"]
[relay]
plugins = ["scanner"]
[domains."relayed.test"]
relay_to = "smtp://127.0.0.1:{sink.port}"
recipients = "any"
[[route]]
match = {{}}
via = "smtp://127.0.0.1:{sink.port}"
""",
    )
    site.start()
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def test_a_host_that_may(granting: RunningSite, sink: Sink) -> None:
    """Its mail goes out, and the log says who let it; as somebody else, or on another listener, it is a stranger."""
    with Typist(granting.ports["mx"], source=GRANTED) as typist:
        typist.reply()
        typist.type("EHLO scanner")
        typist.type("MAIL FROM:<scanner@example.org>")
        assert typist.type("RCPT TO:<granted@foreign.test>").startswith("250 ")
        for path in FOREIGN[-4:]:
            assert typist.type(f"RCPT TO:<{path}>").startswith("550 5.7.1"), path
        typist.type("DATA")
        assert typist.type("Subject: a scan\r\n\r\nhere\r\n.").startswith("250 ")
        typist.type("MAIL FROM:<eve@example.org>")
        assert typist.type("RCPT TO:<user@foreign.test>").startswith("550 5.7.1")

    wait_until(lambda: any(each.recipients == ["<granted@foreign.test>"] for each in sink.messages))
    assert "plugin scanner lets 127.0.0.9 send" in granting.log
    with Typist(granting.ports["submission"], source=GRANTED) as typist:
        typist.reply()
        typist.type("EHLO scanner")
        assert typist.type("MAIL FROM:<scanner@example.org>").startswith("530 5.7.0")


@pytest.mark.parametrize("source", SOURCES)
def test_all_others_are_strangers_as_before(granting: RunningSite, source: str) -> None:
    """What one host may is nobody else's, whatever they say."""
    _relays_nothing(granting, source)


def test_what_is_named_by_mistake(tmp_path: Path) -> None:
    """The server doesn't start, and says which key it was."""
    site = RunningSite(tmp_path / "site", '[plugins.rules]\nuse = "headers"\n[relay]\nplugins = ["rules"]\n')

    with pytest.raises(AssertionError, match=r"mta: relay\.plugins\[0\]: rules provides no IRelayGrant"):
        site.start()


FILTER = "127.0.0.10"

EVERY_ROLE = f"""
[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role = "mx"
[listen.submission]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
plaintext_login = ["127.0.0.0/8"]
[listen.submissions]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
tls = "implicit"
[listen.lmtp]
endpoint = "tcp:0:interface=127.0.0.1"
role = "lmtp"
[listen.back]
endpoint = "tcp:0:interface=127.0.0.1"
role = "reinject"
trusted = ["{FILTER}"]
[listen.pop]
endpoint = "tcp:0:interface=127.0.0.1"
role = "pop3"
[listen.imap]
endpoint = "tcp:0:interface=127.0.0.1"
role = "imap"
"""


@pytest.fixture(scope="module")
def every_role(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[RunningSite]:
    """A site with a listener of every role, and with somebody for whom each opens."""
    site = RunningSite(
        tmp_path_factory.mktemp("roles"),
        f"""[plugins.scanner]
use = "relay_networks"
networks = ["{GRANTED}"]
[plugins.amavis]
use = "content_filter"
[relay]
plugins = ["scanner"]
[limits]
errors = 1000
errors_before_delay = 1000
[domains."relayed.test"]
relay_to = "smtp://127.0.0.1:{sink.port}"
recipients = "any"
[[route]]
match = {{}}
via = "smtp://127.0.0.1:{sink.port}"
""",
        EVERY_ROLE,
    )
    site.start()
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


HELLO = {"lmtp": "LHLO mail.example.org"}
OPENINGS = [
    [],
    ["XFORWARD ADDR=127.0.0.1 NAME=localhost SOURCE=LOCAL IDENT=0123456789abc"],
    ["XCLIENT ADDR=127.0.0.1 LOGIN=alice@example.org"],
    ["AUTH ANONYMOUS c29tZWJvZHk="],
]


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize("name", ["mx", "submission", "submissions", "lmtp", "back", "pop", "imap"])
def test_no_role_relays_for_strangers(every_role: RunningSite, sink: Sink, name: str, opening: list[str]) -> None:
    """Whatever they say first, and whatever the listener is for: no path for elsewhere is ever taken."""
    before = len(sink.messages)
    for path in FOREIGN:
        with Typist(every_role.ports[name]) as typist:
            if name == "submissions":
                typist.start_tls()
            typist.reply()
            said = [HELLO.get(name, "EHLO mail.example.org"), *opening, "MAIL FROM:<postmaster@example.org>"]
            for line in said:
                _dares(typist, line)
            assert not _dares(typist, f"RCPT TO:<{path}>").startswith("2"), path
            assert not _dares(typist, "DATA").startswith("3"), path
    assert len(sink.messages) == before


def _dares(typist: Typist, line: str) -> str:
    """Type a line at a server that may have hung up."""
    try:
        return typist.type(line)
    except OSError:
        return ""


def test_a_filter_gives_back(every_role: RunningSite, sink: Sink) -> None:
    """Whom the site file names there gets in, and nobody else is even greeted."""
    with Typist(every_role.ports["back"], source="127.0.0.1") as typist:
        assert typist.reply().startswith("554 5.7.1 ")
        assert typist.reply() == ""
    with Typist(every_role.ports["back"], source=FILTER) as typist:
        assert typist.reply().startswith("220 ")
        typist.type("EHLO filter")
        typist.type("MAIL FROM:<ann@sender.test>")
        assert typist.type("RCPT TO:<given-back@foreign.test>").startswith("250 ")
        typist.type("DATA")
        assert typist.type("Subject: back\r\n\r\nhere\r\n.").startswith("250 ")

    wait_until(lambda: any(each.recipients == ["<given-back@foreign.test>"] for each in sink.messages))


def test_what_was_granted_is_taken_back(every_role: RunningSite) -> None:
    """When the site file is read again: a plugin that [relay] doesn't name any more grants nothing from then on."""

    def may(source: str) -> bool:
        with Typist(every_role.ports["mx"], source=source) as typist:
            typist.reply()
            typist.type("EHLO scanner")
            typist.type("MAIL FROM:<scanner@example.org>")
            return typist.type("RCPT TO:<user@foreign.test>").startswith("250 ")

    text = every_role.config.read_text()
    assert (may(GRANTED), may("127.0.0.11")) == (True, False)

    every_role.config.write_text(text.replace(f'networks = ["{GRANTED}"]', 'networks = ["127.0.0.11"]'))
    every_role.mta("reload")
    assert (may(GRANTED), may("127.0.0.11")) == (False, True)

    every_role.config.write_text(text.replace('[relay]\nplugins = ["scanner"]\n', ""))
    every_role.mta("reload")
    assert (may(GRANTED), may("127.0.0.11")) == (False, False)

    every_role.config.write_text(text.replace('plugins = ["scanner"]', 'plugins = ["amavis"]'))
    assert "relay.plugins[0]" in every_role.mta("reload", check=False).stdout
    assert (may(GRANTED), may("127.0.0.11")) == (False, False)
    every_role.config.write_text(text)


def test_who_is_trusted_no_longer(every_role: RunningSite) -> None:
    """Likewise where filters give mail back: whoever connects after the reading is held against the new list."""

    def greeted(source: str) -> bool:
        with Typist(every_role.ports["back"], source=source) as typist:
            return typist.reply().startswith("220 ")

    text = every_role.config.read_text()
    assert (greeted(FILTER), greeted("127.0.0.11")) == (True, False)

    every_role.config.write_text(text.replace(f'trusted = ["{FILTER}"]', 'trusted = ["127.0.0.11"]'))
    every_role.mta("reload", check=False)

    assert (greeted(FILTER), greeted("127.0.0.11")) == (False, True)
