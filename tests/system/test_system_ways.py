"""Where mail goes by the word of plugins, in the real server, through a restart."""

from __future__ import annotations

import json
import smtplib
import uuid
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
plugins = ["filter"]
[listen.filtered]
{AT}role = "mx"
"""
PLUGINS = """\
from twistedmail_mta.config.values import Table
from twistedmail_mta.stages import IMessagePolicy, SetNextHop
from zope.interface import implementer


@implementer(IMessagePolicy)
class Filter:
    class Options(Table):
        via: str

    def __init__(self, options, kit):
        self._via = options.via

    async def message(self, client, message):
        return (SetNextHop(self._via, "none"),)
"""


@pytest.fixture
def filtering() -> Iterator[Sink]:
    """A content filter, which isn't there at first."""
    with running_sink(final="250 2.0.0 looked at") as sink:
        sink.answer = lambda _: "451 4.3.2 not now"
        yield sink


@pytest.fixture
def site(directory: Path, filtering: Sink) -> Iterator[RunningSite]:
    """A site whose MX sends all mail through the filter."""
    toml = f'[plugins.filter]\nuse = "site_plugins:Filter"\nvia = "smtp://127.0.0.1:{filtering.port}"\n'
    site = RunningSite(
        directory, f'[domains."home.test"]\n{toml}[queue]\nretry = ["1s"]\nretry_cap = "1s"\n', LISTENERS
    )
    site.config.write_text('plugin_path = ["plugins"]\n' + site.config.read_text())
    (directory / "plugins").mkdir()
    (directory / "plugins" / "site_plugins.py").write_text(PLUGINS)
    site.start()
    site.add_account(ANN, PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def send(
    site: RunningSite, text: bytes, to: str = ANN, listener: str = "mx", sender: str = "joe@strangers.test"
) -> None:
    with smtplib.SMTP("127.0.0.1", site.ports[listener], timeout=60) as client:
        client.sendmail(sender, [to], text)


def queue(site: RunningSite) -> list[dict[str, Any]]:
    found = json.loads(site.mta("queue", "list", "--json").stdout)
    return [recipient for message in found for recipient in message["recipients"]]


def test_a_content_filter(site: RunningSite, filtering: Sink) -> None:
    """Mail for a mailbox here waits for the filter, through a restart, and is in the mailbox once it came back."""
    mark = uuid.uuid4().hex
    send(site, f"Subject: {mark}\r\n\r\nhello\r\n".encode())
    wait_until(lambda: [each["attempts"] > 0 for each in queue(site)] == [True])

    site.kill()
    site.start()
    filtering.answer = lambda _: None
    wait_until(lambda: filtering.messages)

    (message,) = filtering.messages
    assert message.recipients == [f"<{ANN}>"]
    wait_until(lambda: queue(site) == [])
    assert f"delivered to <{ANN}>" not in site.log
    send(site, message.data, listener="filtered")
    wait_until(lambda: f"delivered to <{ANN}>" in site.log)
    assert mark.encode() in message.data
