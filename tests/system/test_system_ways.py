"""Where mail goes by the word of plugins, in the real server, through a restart."""

from __future__ import annotations

import imaplib
import json
import smtplib
from collections.abc import Iterator
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
from twistedmail_mta.stages import FileInto, Hold, IMessagePolicy, SetNextHop
from zope.interface import implementer


@implementer(IMessagePolicy)
class Judge:
    def __init__(self, options, kit):
        pass

    async def message(self, client, message):
        said = {name: (message.header.get(name) or b"").decode() for name in (b"X-Via", b"X-File", b"X-Hold")}
        changes = (SetNextHop(said[b"X-Via"], "none"),) if said[b"X-Via"] else ()
        changes += (FileInto(said[b"X-File"]),) if said[b"X-File"] else ()
        return changes + ((Hold(said[b"X-Hold"]),) if said[b"X-Hold"] else ())
"""


@pytest.fixture
def filtering() -> Iterator[Sink]:
    """A content filter, which isn't there at first."""
    with running_sink(final="250 2.0.0 looked at") as sink:
        sink.answer = lambda _: "451 4.3.2 not now"
        yield sink


@pytest.fixture
def site(directory: Path) -> Iterator[RunningSite]:
    """A site whose MX asks a plugin that does what the header says."""
    toml = '[domains."home.test"]\n[plugins.judge]\nuse = "site_plugins:Judge"\n'
    site = RunningSite(directory, f'{toml}[queue]\nretry = ["1s"]\nretry_cap = "1s"\n', LISTENERS)
    site.config.write_text('plugin_path = ["plugins"]\n' + site.config.read_text())
    (directory / "plugins").mkdir()
    (directory / "plugins" / "site_plugins.py").write_text(PLUGINS)
    site.start()
    site.add_account(ANN, PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def send(site: RunningSite, text: bytes, *to: str, listener: str = "mx", notify: str = "") -> None:
    with smtplib.SMTP("127.0.0.1", site.ports[listener], timeout=60) as client:
        client.sendmail("joe@strangers.test", to or [ANN], text, rcpt_options=[notify] if notify else [])


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
