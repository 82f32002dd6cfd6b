"""Plugins that do everything wrong, in the real server: mail waits, the server lives, other listeners go on."""

from __future__ import annotations

import imaplib
import json
import re
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_site import PASSWORD, RunningSite, wait_until

HOME = "home.test"
ANN = f"ann@{HOME}"
AT = 'endpoint = "tcp:0:interface=127.0.0.1"\n'
FAULTS = ("raise", "nonsense", "hang", "sleep", "compute", "match", "hold", "leave", "thread")
LISTENERS = """
[listen.mx]
{AT}role = "mx"
plugins = [{plugins}]
[listen.other]
{AT}role = "mx"
[listen.imap]
{AT}role = "imap"
plaintext_login = ["127.0.0.0/8"]
"""
PLUGIN = """\
import re
import sys
import time
from threading import Event

from twistedmail_mta.config.values import Table
from twistedmail_mta.stages import IMessagePolicy, IRecipientPolicy
from twistedmail_mta.tasks import Promise
from zope.interface import implementer


@implementer(IRecipientPolicy, IMessagePolicy)
class Faulty:
    class Options(Table):
        faults: list[str]

    def __init__(self, options, kit):
        self.faults, self.kit, self.kept = options.faults, kit, []

    async def recipient(self, client, mail, recipient):
        fault = recipient.address.local
        match fault if fault in self.faults else "":
            case "raise":
                raise ZeroDivisionError
            case "nonsense":
                return "yes"
            case "hang":
                await Promise()
            case "sleep":
                time.sleep(3600)
            case "compute":
                while True:
                    pass
            case "match":
                re.fullmatch("(a+)+b", "a" * 80)
            case "hold":
                while True:
                    try:
                        time.sleep(3600)
                    except Exception:
                        pass
            case "leave":
                sys.exit("enough")
            case "thread":
                await self.kit.run_in_thread(Event().wait)

    async def message(self, client, message):
        if message.header.has(b"X-Leak"):
            if message.header.get(b"X-Leak") == self.kit.name.encode():
                self.kept.append(bytes(range(256)) * 200_000)
"""


def make_site(folder: Path, plugins: dict[str, list[str]], toml: str = "") -> RunningSite:
    """A site with plugins, each with faults of its own, and an address for each of these."""
    tables = "".join(
        f'[plugins.{name}]\nuse = "faulty:Faulty"\ntimeout = "1s"\nfaults = {json.dumps(faults)}\n'
        for name, faults in plugins.items()
    )
    listeners = LISTENERS.replace("{AT}", AT).replace("{plugins}", json.dumps(list(plugins))[1:-1])
    site = RunningSite(folder, f'[domains."{HOME}"]\n{tables}{toml}', listeners)
    site.config.write_text('plugin_path = ["."]\n' + site.config.read_text())
    (folder / "faulty.py").write_text(PLUGIN)
    site.start()
    site.add_account(ANN, PASSWORD)
    for fault in {fault for faults in plugins.values() for fault in faults}:
        site.mta("alias", "add", f"{fault}@{HOME}", ANN)
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A site with a plugin for each fault."""
    site = make_site(tmp_path_factory.mktemp("faulty") / "site", {f"does-{fault}": [fault] for fault in FAULTS})
    yield site
    assert site.stop() == 0


def smtp(site: RunningSite, listener: str) -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", site.ports[listener], timeout=60)
    client.ehlo()
    client.mail("joe@strangers.test")
    return client


def send(site: RunningSite, listener: str, text: str = "Subject: hi\r\n\r\ntext\r\n") -> None:
    with smtp(site, listener) as client:
        assert client.rcpt(ANN)[0] == 250
        assert client.data(text)[0] == 250


def inbox(site: RunningSite) -> int:
    """How many messages Ann finds."""
    with imaplib.IMAP4("127.0.0.1", site.ports["imap"], timeout=60) as mail:
        mail.login(ANN, PASSWORD)
        return int(mail.select("INBOX")[1][0] or b"0")


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault(site: RunningSite, fault: str) -> None:
    """451 for that recipient; the session, the listener and all others go on, and the log says who it was."""
    before = inbox(site)
    with smtp(site, "mx") as asking, smtp(site, "other") as other:
        asking.putcmd(f"rcpt TO:<{fault}@{HOME}>")
        assert other.rcpt(ANN)[0] == 250
        assert other.data("Subject: other\r\n\r\ntext\r\n")[0] == 250
        code, text = asking.getreply()
        assert (code, text[:5]) == (451, b"4.3.0")
        assert asking.rcpt(ANN)[0] == 250
        assert asking.data("Subject: same\r\n\r\ntext\r\n")[0] == 250

    assert inbox(site) == before + 2
    assert len(re.findall(rf"plugin does-{fault} failed at recipient, 1 times by now\s+Traceback", site.log)) == 1


def test_one_that_stalls_everybody_often(tmp_path: Path) -> None:
    """After the third time it isn't asked any more for a while; its listener says 451, the other takes mail."""
    site = make_site(tmp_path / "site", {"faulty": ["sleep", "compute", "hold"]})
    with smtp(site, "mx") as client:
        assert [client.rcpt(f"{fault}@{HOME}")[0] for fault in ("sleep", "compute", "hold")] == [451] * 3
        assert client.rcpt(ANN) == (451, b"4.3.0 Mail can't be judged now, please try again later")

    assert "plugin faulty isn't asked for 300 s" in site.log
    (item,) = json.loads(site.mta("plugin", "list", "--json").stdout)
    assert item["counts"] == {"calls": {"recipient": 3}, "failures": 3, "grants": 0, "rests": True}
    assert re.search(r" refuse +3 +3 \(rests\)\n", site.mta("plugin", "list").stdout)
    send(site, "other")
    assert inbox(site) == 1
    assert site.stop() == 0


def test_one_that_leaks(tmp_path: Path) -> None:
    """When too much is held, its listener says 452 and the log says who holds it; the other one takes mail."""
    site = make_site(tmp_path / "site", {"leaking": [], "other": []}, '[limits]\nmemory = "400MB"\n')
    taken, answer = 0, (250, b"")
    while answer[0] == 250 and taken < 20:
        with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=60) as client:
            client.ehlo()
            answer = client.mail("joe@strangers.test")
            if answer[0] == 250:
                client.rcpt(ANN)
                taken += client.data("X-Leak: leaking\r\n\r\ntext\r\n")[0] == 250

    assert 2 <= taken < 15
    assert answer == (452, b"4.3.1 Insufficient system resources, please try again later")
    wait_until(lambda: "memory is short" in site.log)
    told = re.search(r"plugins hold about leaking (\d+) MB, other (\d+) MB", site.log)
    assert told is not None
    held, others = told.groups()
    assert int(held) >= 48 * taken
    assert int(others) < 10
    send(site, "other")
    assert inbox(site) == taken + 1
    assert site.stop() == 0
