"""Plugins of a site in the real server: at every stage, from a folder of its own; and one that is broken."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_sink import Sink
from running_site import PASSWORD, TWISTD, RunningSite, environment, wait_until

HOME = "home.test"
ANN = f"ann@{HOME}"
AT = 'endpoint = "tcp:0:interface=127.0.0.1"\n'
LISTENERS = f"""
[listen.mx]
{AT}role = "mx"
plugins = ["doorman", "judge"]
[listen.open]
{AT}role = "mx"
[listen.submission]
{AT}role = "submission"
plaintext_login = ["127.0.0.0/8"]
plugins = ["doorman"]
[listen.pop3]
{AT}role = "pop3"
plaintext_login = ["127.0.0.0/8"]
[listen.imap]
{AT}role = "imap"
plaintext_login = ["127.0.0.0/8"]
"""

PLUGINS = '''\
"""Plugins of a site, beside the site file."""

from threading import Event

from twistedmail_mta.config.values import Table
from twistedmail_mta.model import Reply
from twistedmail_mta.stages import (
    AddHeader, FileInto, IDeferredObserver, IDeliveredObserver, ILoginPolicy, IMailboxObserver, IMessagePolicy,
    IRecipientPolicy, RemoveRecipient,
)
from twistedmail_mta.tasks import Promise
from zope.interface import implementer


@implementer(IRecipientPolicy, ILoginPolicy)
class Doorman:
    class Options(Table):
        refused: str

    def __init__(self, options, kit):
        self.refused, self.kit = options.refused, kit

    async def logged_in(self, client):
        return Reply(535, "5.7.8", "not today") if client.account.startswith("ben@") else None

    async def recipient(self, client, mail, recipient):
        match recipient.address.local:
            case self.refused:
                return Reply(550, "5.7.1", f"not for {client.role}")
            case "slow":
                await Promise()
            case "broken":
                raise ZeroDivisionError
            case "hung":
                await self.kit.run_in_thread(Event().wait)


@implementer(IMessagePolicy, IMailboxObserver, IDeliveredObserver, IDeferredObserver)
class Judge:
    migrations = ("CREATE TABLE {plugin}seen (id TEXT PRIMARY KEY, words INTEGER NOT NULL) STRICT",)

    def __init__(self, options, kit):
        self.kit = kit

    async def start(self):
        self.kit.log.info("the judge sits")

    async def stop(self):
        self.kit.log.info("the judge rises")

    async def message(self, client, message):
        text = await message.body.read(0, message.body.size)
        words = await self.kit.run_in_thread(lambda: len(text.split()))
        table = f"{self.kit.prefix}seen"
        await self.kit.database.write(
            lambda tx: list(tx.execute(f"INSERT INTO {table} VALUES (?, ?)", (message.id, words)))
        )
        (total,) = await self.kit.database.read(
            lambda tx: [n for (n,) in tx.execute(f"SELECT count(*) FROM {table}")]
        )
        changes = (AddHeader("X-Judged", f"{words} words, message {total}"),)
        return (*changes, FileInto("Junk")) if message.header.get(b"Subject") == b"spam" else changes

    async def stored(self, message):
        places = " ".join(f"{address}:{mailbox}" for address, mailbox in message.mailboxes)
        self.kit.log.info("judge: stored {places}", places=places)

    async def delivered(self, attempt):
        self.kit.log.info("judge: delivered {to} {code}", to=str(attempt.recipient), code=attempt.reply.code)

    async def deferred(self, attempt):
        self.kit.log.info("judge: deferred {to} {code}", to=str(attempt.recipient), code=attempt.reply.code)


class Unmade(Judge):
    def __init__(self, options, kit):
        raise OSError("the list is missing")


class Unstarted(Judge):
    async def start(self):
        raise OSError("the service is gone")
'''


def tables(**plugins: str) -> str:
    return "".join(f'[plugins.{name}]\nuse = "site_plugins:{rest}\n' for name, rest in plugins.items())


def make_site(folder: Path, listeners: str, toml: str) -> RunningSite:
    """A site with a folder of plugins beside its file."""
    site = RunningSite(folder, toml, listeners)
    site.config.write_text('plugin_path = ["plugins"]\n' + site.config.read_text())
    (folder / "plugins").mkdir()
    (folder / "plugins" / "site_plugins.py").write_text(PLUGINS)
    return site


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[RunningSite]:
    """A site that asks its plugins on two listeners, and none on another."""
    doorman = 'Doorman"\nrefused = "nobody"\ntimeout = "1s"'
    route = f'[domains."{HOME}"]\n[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n'
    site = make_site(tmp_path_factory.mktemp("judged"), LISTENERS, route + tables(doorman=doorman, judge='Judge"'))
    site.start()
    for address in (ANN, f"ben@{HOME}"):
        site.add_account(address, PASSWORD)
    site.mta("alias", "add", f"away@{HOME}", "eve@else.test")
    for name in ("nobody", "slow", "broken", "hung"):
        site.mta("alias", "add", f"{name}@{HOME}", ANN)
    yield site
    assert site.stop() == 0
    assert "the judge rises" in site.log


def smtp(site: RunningSite, listener: str = "mx") -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", site.ports[listener], timeout=60)


def send(site: RunningSite, text: str, to: str = ANN, listener: str = "mx") -> None:
    with smtp(site, listener) as client:
        client.sendmail("joe@strangers.test", [to], text.replace("\n", "\r\n"))


def test_refusals(judged: RunningSite) -> None:
    """At RCPT, by the listeners that ask; a failure and one that takes too long are 451."""
    with smtp(judged) as client:
        client.ehlo()
        client.mail("joe@strangers.test")
        assert client.rcpt(f"nobody@{HOME}") == (550, b"5.7.1 not for mx")
        assert client.rcpt(f"broken@{HOME}")[0] == 451
        assert client.rcpt(f"slow@{HOME}")[0] == 451
        assert client.rcpt(ANN)[0] == 250
    with smtp(judged, "open") as client:
        client.ehlo()
        client.mail("joe@strangers.test")
        assert client.rcpt(f"nobody@{HOME}")[0] == 250
    assert judged.log.count("plugin doorman failed at recipient") == 1  # the second within a minute


def test_logins(judged: RunningSite) -> None:
    """A right password isn't enough where a plugin says no."""
    with smtp(judged, "submission") as client:
        with pytest.raises(smtplib.SMTPAuthenticationError, match="not today"):
            client.login(f"ben@{HOME}", PASSWORD)
        client.login(ANN, PASSWORD)


def test_headers_and_junk(judged: RunningSite) -> None:
    """What the plugin asked for is in the mailbox that it chose, made for this; whoever takes note is told."""
    send(judged, "Subject: ham\n\none two\n")
    send(judged, "Subject: spam\n\none two three\n")

    drop = poplib.POP3("127.0.0.1", judged.ports["pop3"], timeout=60)
    drop.user(ANN)
    drop.pass_(PASSWORD)
    texts = [b"\n".join(drop.retr(number + 1)[1]) for number in range(drop.stat()[0])]
    drop.quit()
    assert [b"X-Judged: 2 words, message " in text for text in texts] == [True]
    mail = imaplib.IMAP4("127.0.0.1", judged.ports["imap"], timeout=60)
    mail.login(ANN, PASSWORD)
    assert mail.select("Junk") == ("OK", [b"1"])
    (_, [(_, text), _]) = mail.fetch("1", "(BODY.PEEK[HEADER])")  # type: ignore[misc]
    assert b"X-Judged: 3 words, message " in text
    assert b"Subject: spam" in text
    mail.logout()
    wait_until(lambda: f"judge: stored {ANN}:Junk" in judged.log)
    assert f"judge: stored {ANN}:INBOX" in judged.log


def test_what_becomes_of_mail(judged: RunningSite, sink: Sink) -> None:
    """Told of mail from all listeners, also those that don't ask."""
    send(judged, "Subject: hi\n\ntext\n", f"away@{HOME}", "open")

    wait_until(lambda: "judge: delivered eve@else.test 250" in judged.log)


def test_threads_that_never_end(judged: RunningSite) -> None:
    """They are the plugin's own: others have theirs, and the server stops all the same."""
    with smtp(judged) as client:
        client.ehlo()
        client.mail("joe@strangers.test")
        for _ in range(3):
            assert client.rcpt(f"hung@{HOME}")[0] == 451

    send(judged, "Subject: hi\n\ncounted on another thread\n")

    assert judged.stop() == 0
    assert "plugin doorman still has work on its threads" in judged.log
    judged.start()


def test_tables_outlive_the_server(judged: RunningSite) -> None:
    """What was counted before is counted on; the plugin starts with the server."""
    send(judged, "Subject: first\n\none\n")
    before = judged.log.count("the judge sits")

    assert judged.stop() == 0
    judged.start()

    assert judged.log.count("the judge sits") == before + 1
    send(judged, "Subject: second\n\none\n")


@pytest.mark.parametrize(
    ("use", "words", "checked"),
    [
        ('Missing"', "plugins.judge.use: site_plugins, which is", "error: plugins.judge.use: site_plugins, which is"),
        ('Judge"\nword = 1', "plugins.judge.word: is unknown", "error: plugins.judge.word: is unknown"),
        ('Unmade"', "plugin judge can't be made: OSError: the list is missing", "error: plugins.judge: plugin judge"),
        ('Unstarted"', "plugin judge can't start: OSError: the service is gone", ""),
    ],
)
def test_a_broken_plugin(tmp_path: Path, use: str, words: str, checked: str) -> None:
    """The server doesn't start, and says which plugin; `mta check` says so before."""
    site = make_site(tmp_path / "site", f'[listen.mx]\n{AT}role = "mx"\nplugins = ["judge"]\n', tables(judge=use))

    done = subprocess.run(
        [*TWISTD, "-n", "--pidfile=", "mta", "--config", str(site.config)],
        cwd=site.directory, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    said = done.stdout + done.stderr
    assert words in said
    assert "listening" not in said
    assert done.returncode == 1
    if checked:
        assert "Traceback" not in said
        assert checked in site.mta("check", check=False).stdout
    assert not (site.state / "control.sock").exists()
