"""What of another site file counts at once, and what needs a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.config.changes import Difference, differences, in_effect
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.site import Site

BASE = """
config_version = 1
[server]
hostname = "mail.example.org"
state_dir = "state"
admin = "postmaster@example.org"
[tls]
certificate = "cert.pem"
key = "key.pem"
[domains."example.org"]
[listen.mx]
endpoint = "tcp:25"
role = "mx"
plugins = ["early"]
[listen.pop3]
endpoint = "tcp:110"
role = "pop3"
[plugins.early]
use = "early"
[limits]
message_size = "1MB"
[queue]
lifetime = "5d"
"""


def site(text: str = BASE) -> Site:
    return parse_site(text, Path("/site"), "test")


def changed(*pairs: tuple[str, str]) -> Site:
    text = BASE
    for before, after in pairs:
        assert before in text
        text = text.replace(before, after)
    return site(text)


@pytest.mark.parametrize(
    ("before", "after", "path", "is_live"),
    [
        ('plugins = ["early"]', "plugins = []", "listen.mx.plugins", True),
        ('plugins = ["early"]', 'plugins = ["early"]\nstrict = true', "listen.mx.strict", True),
        ('plugins = ["early"]', 'plugins = ["early"]\nlimits.idle = "1m"', "listen.mx.limits.idle", True),
        ('role = "pop3"', 'role = "pop3"\nlogin_delay = "1m"', "listen.pop3.login_delay", True),
        ('use = "early"', 'use = "early"\nwait = "1s"', "plugins.early.wait", True),
        ('use = "early"', 'use = "early"\ntimeout = "1s"', "plugins.early.timeout", True),
        ('use = "early"', 'use = "tarpit"', "plugins.early.use", True),
        ('use = "early"', 'use = "early"\n[plugins."a b"]\nuse = "early"', 'plugins."a b"', True),
        ("[limits]", '[[route]]\nmatch = {}\nvia = "mx"\n[limits]', "route", True),
        ("[limits]", "[limits]\nconnections = 3", "limits.connections", True),
        ("[limits]", '[domains."example.net"]\nrelay_to = "mx"\n[limits]', 'domains."example.net"', True),
        (
            '[domains."example.org"]',
            '[domains."example.org"]\nsubaddress = "-"',
            'domains."example.org".subaddress',
            True,
        ),
        ('"cert.pem"', '"other.pem"', "tls.certificate", True),
        ("tcp:25", "tcp:26", "listen.mx.endpoint", False),
        ('role = "pop3"', 'role = "pop3"\ntls = "implicit"', "listen.pop3.tls", False),
        ("[limits]", '[listen.more]\nendpoint = "tcp:26"\nrole = "mx"\n[limits]', "listen.more", False),
        ('lifetime = "5d"', 'lifetime = "6d"', "queue.lifetime", False),
        ("mail.example.org", "mx.example.org", "server.hostname", False),
        ("[limits]", '[limits]\nmemory = "1GB"', "limits.memory", False),
        ("[limits]", '[quarantine]\nkeep = "1d"\n[limits]', "quarantine.keep", False),
        ("[limits]", '[quarantine]\nmailbox = "x@example.org"\n[limits]', "quarantine.mailbox", True),
        ("[limits]", "[outbound]\nport = 26\n[limits]", "outbound.port", False),
        ("[limits]", '[dkim]\nrotate = "90d"\n[limits]', "dkim.rotate", False),
        ("[limits]", '[[checker]]\nuse = "internal"\n[limits]', "checker", False),
    ],
)  # fmt: skip
def test_one_key(before: str, after: str, path: str, is_live: bool) -> None:
    """It is named, and what counts at once is in effect; the rest stays."""
    old, new = site(), changed((before, after))

    assert differences(old, new) == [Difference(path, is_live)]
    assert differences(old, in_effect(old, new)) == ([Difference(path, True)] if is_live else [])
    assert differences(in_effect(old, new), new) == ([] if is_live else [Difference(path, False)])


def test_nothing() -> None:
    """The same file is the same."""
    assert differences(site(), site()) == []
    assert differences(site(), in_effect(site(), site())) == []


def test_another_role() -> None:
    """What a listener of another role says has no meaning yet."""
    new = changed(('role = "mx"\nplugins = ["early"]', 'role = "lmtp"\nstrict = true'), ("tcp:25", "tcp:24"))

    assert {each.path for each in differences(site(), new) if not each.is_live} == {
        "listen.mx.endpoint", "listen.mx.role", "listen.mx.strict", "listen.mx.plugins",
    }  # fmt: skip
    assert in_effect(site(), new).listen == site().listen


def test_tls_that_comes_or_goes() -> None:
    """What listeners offer depends on it."""
    new = changed(('[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n', ""))

    assert differences(site(), new) == [Difference("tls", False)]
    assert in_effect(site(), new).tls == site().tls
    assert in_effect(new, site()).tls is None


def test_a_listener_that_is_taken_away_keeps_its_plugins() -> None:
    """It is served until the restart, as it was."""
    text = BASE.replace('[listen.mx]\nendpoint = "tcp:25"\nrole = "mx"\nplugins = ["early"]\n', "")
    new = site(text.replace('[plugins.early]\nuse = "early"\n', '[plugins.pit]\nuse = "tarpit"\n'))

    effective = in_effect(site(), new)

    assert effective.listen == site().listen
    assert [each.name for each in effective.found_plugins] == ["pit", "early"]
    assert [(each.path, each.is_live) for each in differences(site(), new)] == [
        ("listen.mx", False), ("plugins.early", True), ("plugins.pit", True),
    ]  # fmt: skip
