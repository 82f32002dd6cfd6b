"""A site with something to explain of everything: addresses, plugins, routes, next hops."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mail_sink import Sink
from name_server import NameServer
from running_site import RunningSite

ANN, BOB, SUE, PASSWORD = "ann@example.org", "bob@example.org", "sue@example.org", "correct horse"
PLUGIN = """
from zope.interface import implementer

from twistedmail_mta.model import Reply
from twistedmail_mta.stages import (
    AddHeader, FileInto, IConnectPolicy, IHeaderPolicy, IHelloPolicy, IMailPolicy, IMessagePolicy, IRecipientPolicy,
    IRoutePolicy,
)


@implementer(IConnectPolicy, IHelloPolicy, IMailPolicy, IRecipientPolicy, IHeaderPolicy, IMessagePolicy, IRoutePolicy)
class Picky:
    def __init__(self, options, kit):
        self.counted = 0

    async def connected(self, client):
        return Reply(554, "5.7.1", "not from there") if client.host == "127.9.9.9" else None

    async def greeted(self, client):
        return Reply(550, "5.7.1", "a bad name") if client.helo == "bad.test" else None

    async def sender(self, client, mail):
        return Reply(451, "4.7.1", "not now") if mail.sender.local == "later" else None

    async def recipient(self, client, mail, recipient):
        self.counted += 1
        if recipient.address.local == "broken":
            raise RuntimeError("broken")
        return Reply(550, "5.7.1", "nobody writes to him") if recipient.address.local == "hermit" else None

    async def header(self, client, envelope, header):
        return Reply(554, "5.6.0", "a bad subject") if b"bad" in (header.get(b"Subject") or b"") else None

    async def message(self, client, message):
        body = await message.body.read(0, 1000)
        if b"virus" in body:
            return Reply(554, "5.7.1", "a virus")
        return (AddHeader("X-Picky", "yes"), FileInto("Junk")) if b"offer" in body else None

    async def routed(self, leaving):
        return Reply(550, "5.7.1", "never") if leaving.recipient.local == "never" else None


@implementer(IRecipientPolicy)
class Aloof:
    rehearses = False

    def __init__(self, options, kit):
        pass

    async def recipient(self, client, mail, recipient):
        return Reply(550, "5.7.1", "not me") if recipient.address.local == "shy" else None
"""


def toml(sink: Sink, names: NameServer, folder: Path) -> str:
    return f"""
plugin_path = ["{folder}"]
[dns]
nameservers = ["127.0.0.1"]
port = {names.port}
timeout = "500ms"
dnssec = "off"
[domains."example.org"]
aliases_file = "{folder}/aliases"
[domains."relayed.test"]
relay_to = "smtp://127.0.0.1:{sink.port}"
[domains."any.test"]
relay_to = "smtp://127.0.0.1:{sink.port}"
recipients = "any"
[relay]
plugins = ["office"]
[plugins.office]
use = "relay_networks"
networks = ["127.8.8.8"]
[plugins.aloof]
use = "picky:Aloof"
[plugins.picky]
use = "picky:Picky"
[plugins.grey]
use = "greylist"
exempt_networks = ["127.0.0.0/16", "127.8.0.0/16", "127.9.0.0/16"]
[plugins.limits]
use = "limits"
account.day.messages = 3
account.day.new_recipients = "none"
[plugins.brake]
use = "brake"
[[route]]
match = {{ to_domain = ["refused.test"] }}
via = "error:550 5.1.2 not there"
[[route]]
match = {{ to_domain = ["*.lab.test"], from = ["sue@example.org"] }}
via = "smtp://127.0.0.1:{sink.port}"
tls = "required"
[outbound]
allow_networks = ["127.0.0.0/8"]
port = {sink.port}
"""


LISTENERS = """
[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role = "mx"
plugins = ["picky", "grey", "aloof"]
[listen.submission]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
plugins = ["picky", "limits", "brake"]
plaintext_login = ["127.0.0.0/8"]
[listen.submissions]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
tls = "implicit"
[listen.local]
endpoint = "tcp:0:interface=127.0.0.1"
role = "lmtp"
"""


def made(directory: Path, sink: Sink, names: NameServer) -> RunningSite:
    """A site, not started, with accounts, aliases and keys."""
    folder = directory / "plugins"
    folder.mkdir(parents=True)
    (folder / "picky.py").write_text(PLUGIN)
    many = ", ".join(f"x{number}@else.test" for number in range(3000))
    (folder / "aliases").write_text(f"loop: pool\npool: loop\ngone: nobody\nmany: {many}\n")
    site = RunningSite(directory, "", listeners="")
    site.config.write_text(
        site.config.read_text().replace("config_version = 1\n", "") + LISTENERS + toml(sink, names, folder)
    )
    text = site.config.read_text()
    first, rest = text.split("[server]", 1)
    path = re.search(r"^plugin_path.*$", rest, re.MULTILINE)
    assert path is not None
    site.config.write_text(f"config_version = 1\n{path[0]}\n{first}[server]{rest.replace(path[0], '', 1)}")
    for account in (ANN, BOB, SUE):
        site.add_account(account, PASSWORD)
    site.mta("account", "set", BOB, "--disable")
    site.mta("dkim", "create", "example.org")
    site.mta("dkim", "rotate", "example.org", "--force")
    site.mta("account", "set", SUE, "--send-as", "sales@example.org")
    site.mta("alias", "add", "both@example.org", ANN, "joe@else.test")
    return site


def explained(site: RunningSite, *arguments: str, accepted: bool = True) -> dict[str, Any]:
    """Run the command."""
    done = site.mta("explain", *arguments, "--json", check=False)
    assert done.stderr == ""
    assert done.returncode == (0 if accepted else 1)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["accepted"] is accepted
    return answer


def other_domains() -> NameServer:
    """Return the DNS of some domains elsewhere."""
    server = NameServer()
    add = server.responder.add
    add("else.test", "MX", "20 mx2.else.test.", "10 mx1.else.test.")
    add("mx1.else.test", "A", "127.0.0.1")
    add("mx2.else.test", "A", "127.0.0.1")
    add("else.test", "TXT", '"v=spf1 -all"')
    add("nomail.test", "MX", "0 .")
    return server
