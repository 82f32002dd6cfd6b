"""Where mail goes by the word of plugins, in the real server, through a restart."""

from __future__ import annotations

import imaplib
import json
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mail_sink import Sink, running_sink
from running_site import PASSWORD, RunningSite, wait_until

ANN = "ann@home.test"
AT = 'endpoint = "tcp:0:interface=127.0.0.1"\n'
LISTENERS = f"""
[listen.mx]
{AT}role = "mx"
plugins = ["judge"]
[listen.filtered]
{AT}role = "mx"
[listen.imap]
{AT}role = "imap"
plaintext_login = ["127.0.0.0/8"]
"""
PLUGINS = """\
from twistedmail_mta.model import Reply, Via
from twistedmail_mta.stages import FileInto, Hold, IDeliveredObserver, IMessagePolicy, IRoutePolicy, SetNextHop, Tag
from zope.interface import implementer


@implementer(IMessagePolicy, IRoutePolicy, IDeliveredObserver)
class Judge:
    def __init__(self, options, kit):
        self.kit = kit

    async def message(self, client, message):
        does = {b"X-Via": lambda via: SetNextHop(via, "none"), b"X-File": FileInto, b"X-Hold": Hold,
                b"X-Way": lambda way: Tag("way", way)}
        said = {name: message.header.get(name) for name in does}
        return tuple(does[name](value.decode()) for name, value in said.items() if value)

    async def routed(self, leaving):
        way = leaving.tags.get("way")
        return Reply(550, "5.7.1", "never") if way == "never" else Via(way, "none") if way else None

    async def delivered(self, attempt):
        self.kit.log.info("judge: {to} by {way}", to=str(attempt.recipient), way=attempt.tags.get("way", "the router"))
"""


@contextmanager
def absent(name: str) -> Iterator[Sink]:
    """A host that takes no mail until its answer is taken away."""
    with running_sink(final=f"250 2.0.0 {name} has it") as sink:
        sink.answer = lambda _: "451 4.3.2 not now"
        yield sink


@pytest.fixture
def filtering() -> Iterator[Sink]:
    """A content filter, which isn't there at first."""
    with absent("the filter") as sink:
        yield sink


@pytest.fixture
def of_joe() -> Iterator[Sink]:
    """Where mail of joe goes, which isn't there at first."""
    with absent("joe's host") as sink:
        yield sink


@pytest.fixture
def of_all() -> Iterator[Sink]:
    """Where other mail goes, which isn't there at first."""
    with absent("the other host") as sink:
        yield sink


@pytest.fixture
def site(directory: Path, of_joe: Sink, of_all: Sink) -> Iterator[RunningSite]:
    """A site whose MX asks a plugin that does what the header says, with a route for mail of joe."""
    toml = (
        '[domains."home.test"]\n[plugins.judge]\nuse = "site_plugins:Judge"\n'
        f'[[route]]\nmatch = {{ from = "joe@*.test" }}\nvia = "smtp://127.0.0.1:{of_joe.port}"\n'
        f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{of_all.port}"\n'
        '[queue]\nretry = ["1s"]\nretry_cap = "1s"\n'
    )
    site = RunningSite(directory, toml, LISTENERS)
    site.config.write_text('plugin_path = ["plugins"]\n' + site.config.read_text())
    (directory / "plugins").mkdir()
    (directory / "plugins" / "site_plugins.py").write_text(PLUGINS)
    site.start()
    site.add_account(ANN, PASSWORD)
    site.mta("alias", "add", "away@home.test", "eve@far.test")
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def send(
    site: RunningSite,
    text: bytes,
    *to: str,
    listener: str = "mx",
    notify: str = "",
    sender: str = "joe@strangers.test",
) -> None:
    with smtplib.SMTP("127.0.0.1", site.ports[listener], timeout=60) as client:
        client.sendmail(sender, to or [ANN], text, rcpt_options=[notify] if notify else [])


def queue(site: RunningSite) -> list[dict[str, Any]]:
    found = json.loads(site.mta("queue", "list", "--json").stdout)
    return [recipient for message in found for recipient in message["recipients"]]


def subjects(site: RunningSite, mailbox: str) -> list[str]:
    """Return what is in a mailbox of ann."""
    mail = imaplib.IMAP4("127.0.0.1", site.ports["imap"], timeout=60)
    mail.login(ANN, PASSWORD)
    if mail.select(mailbox)[0] != "OK":
        return []
    _, found = mail.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    mail.logout()
    return [each[1].decode().strip().removeprefix("Subject: ") for each in found if isinstance(each, tuple)]


def test_a_content_filter(site: RunningSite, filtering: Sink) -> None:
    """Mail for a mailbox here waits for the filter, through a restart, and is in the mailbox once it came back."""
    send(site, f"Subject: filtered\r\nX-Via: smtp://127.0.0.1:{filtering.port}\r\n\r\nhello\r\n".encode())
    wait_until(lambda: [each["attempts"] > 0 for each in queue(site)] == [True])

    site.kill()
    site.start()
    filtering.answer = lambda _: None
    wait_until(lambda: filtering.messages)

    (message,) = filtering.messages
    assert message.recipients == [f"<{ANN}>"]
    wait_until(lambda: queue(site) == [])
    assert subjects(site, "INBOX") == []
    send(site, message.data, listener="filtered")
    assert subjects(site, "INBOX") == ["filtered"]


def test_filed_by_the_queue(site: RunningSite) -> None:
    """Held mail that is released after a restart, and mail whose success is reported, are in the chosen mailbox."""
    send(site, b"Subject: held\r\nX-File: Junk\r\nX-Hold: odd\r\n\r\nhello\r\n")
    send(site, b"Subject: told\r\nX-File: Junk\r\n\r\nhello\r\n", notify="NOTIFY=SUCCESS")
    wait_until(lambda: subjects(site, "Junk") == ["told"])
    ((state, mailbox),) = [(each["state"], each["mailbox"]) for each in queue(site) if each["address"] == ANN]
    assert (state, mailbox) == ("held", "Junk")

    site.kill()
    site.start()
    site.mta("queue", "release", "--all")

    wait_until(lambda: sorted(subjects(site, "Junk")) == ["held", "told"])
    assert subjects(site, "INBOX") == []


def test_ways_by_sender_and_by_plugin(site: RunningSite, filtering: Sink, of_joe: Sink, of_all: Sink) -> None:
    """Routes for some senders, and what a plugin answers in the queue by what it noted, hold after the server died."""
    sinks, away, bea = (of_joe, of_all, filtering), "away@home.test", "bea@strangers.test"
    send(site, b"Subject: of joe\r\n\r\nhello\r\n", away)
    send(site, b"Subject: of bea\r\n\r\nhello\r\n", away, sender=bea)
    way = f"X-Way: smtp://127.0.0.1:{filtering.port}\r\n".encode()
    send(site, b"Subject: noted\r\n" + way + b"\r\nhello\r\n", away, sender=bea)
    send(site, b"Subject: never\r\nX-Way: never\r\n\r\nhello\r\n", away, sender=bea)
    wait_until(lambda: sum(each["attempts"] > 0 for each in queue(site) if each["address"] == "eve@far.test") == 3)

    site.kill()
    site.start()
    for sink in sinks:
        sink.answer = lambda _: None

    def arrived() -> list[list[str]]:
        texts = [[each.data.partition(b"Subject: ")[2] for each in sink.messages] for sink in sinks]
        return [sorted(text.partition(b"\r")[0].decode() for text in each) for each in texts]

    wait_until(lambda: queue(site) == [])
    joes, others, chosen = arrived()
    assert (joes, chosen) == (["of joe"], ["noted"])
    assert [each for each in others if each.startswith("of")] == ["of bea"]
    assert f", tagged way=smtp://127.0.0.1:{filtering.port}: 250 2.0.0 the filter has it" in site.log
    wait_until(lambda: f"judge: eve@far.test by smtp://127.0.0.1:{filtering.port}" in site.log)
    assert "eve@far.test here, tagged way=never: 550 5.7.1 never" in site.log
