"""The site file read again by the real server: old sessions finish as they began, new ones begin as it says."""

from __future__ import annotations

import json
import re
import signal
import smtplib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until
from typist import Typist

AT = 'endpoint = "tcp:0:interface=127.0.0.1"\n'
LISTENERS = f"""
[listen.mx]
{AT}role = "mx"
plugins = ["greeting", "other"]
[listen.submission]
{AT}role = "submission"
plaintext_login = ["127.0.0.0/8"]
plugins = ["limits"]
[listen.pop3]
{AT}role = "pop3"
plaintext_login = ["127.0.0.0/8"]
"""
REST = """
[domains."example.org"]
[plugins.greeting]
use = "greeting:Greeting"
[plugins.other]
use = "other:Other"
[plugins.limits]
use = "limits"
account.hour.recipients = 5
"""
GREETING = """
from twistedmail_mta.config.values import Table
from twistedmail_mta.model import Reply
from twistedmail_mta.stages import IRecipientPolicy
from words import WORD
from zope.interface import implementer


@implementer(IRecipientPolicy)
class Greeting:
    class Options(Table):
        more: str = ""

    def __init__(self, options, kit):
        self.word, self.kit = f"VERSION {WORD} {options.more}".strip(), kit

    async def start(self):
        self.kit.log.info("begin {word}", word=self.word)

    async def stop(self):
        self.kit.log.info("end {word}", word=self.word)

    async def recipient(self, client, mail, recipient):
        return Reply(450, "4.7.1", self.word) if recipient.address.local == "who" else None
"""
OTHER = """
from twistedmail_mta.model import Reply
from twistedmail_mta.stages import IRecipientPolicy
from zope.interface import implementer


@implementer(IRecipientPolicy)
class Other:
    def __init__(self, options, kit):
        self.asked, self.kit = 0, kit

    async def start(self):
        self.kit.log.info("other begins")

    async def recipient(self, client, mail, recipient):
        if recipient.address.local != "count":
            return None
        self.asked += 1
        return Reply(450, "4.7.1", f"asked {self.asked}")
"""


class Server:
    """A site with plugins beside its file."""

    def __init__(self, directory: Path) -> None:
        self.site = RunningSite(directory, REST, LISTENERS)
        self.folder = directory / "plugins"
        self.folder.mkdir()
        self.change("config_version = 1\n", 'config_version = 1\nplugin_path = ["plugins"]\n')
        self.write(1)
        (self.folder / "greeting.py").write_text(GREETING)
        (self.folder / "other.py").write_text(OTHER)
        self.site.start()
        self.site.add_account(ACCOUNT, PASSWORD)
        for name in ("who", "count"):
            self.site.mta("alias", "add", f"{name}@example.org", ACCOUNT)

    def write(self, number: int | str) -> None:
        """Write the module that says which version it is."""
        (self.folder / "words.py").write_text(f"WORD = {number}\n")

    def change(self, before: str, after: str) -> None:
        """Edit the site file."""
        text = self.site.config.read_text()
        assert before in text
        self.site.config.write_text(text.replace(before, after))

    @contextmanager
    def session(self) -> Iterator[Typist]:
        """A session on the MX listener, in the middle of a transaction."""
        with Typist(self.site.ports["mx"]) as typist:
            assert typist.reply().startswith("220")
            assert typist.type("EHLO me").startswith("250")
            assert typist.type("MAIL FROM:<joe@strangers.test>").startswith("250")
            yield typist

    def says(self, word: str = "who") -> str:
        """Return what a new session hears of a recipient."""
        with self.session() as typist:
            return typist.type(f"RCPT TO:<{word}@example.org>")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own."""
    made = Server(tmp_path / "site")
    yield made
    assert made.site.stop() == 0
    assert "Traceback" not in made.site.log


def test_an_edited_plugin(server: Server) -> None:
    """New sessions see the new code, one in a transaction the old; nobody else is touched."""
    assert server.says("count") == "450 4.7.1 asked 1"
    with server.session() as old:
        assert old.type("RCPT TO:<who@example.org>") == "450 4.7.1 VERSION 1"
        server.write(2)

        done = server.site.mta("reload")

        assert done.stdout.splitlines() == [
            "No key has changed.",
            "Plugins that were begun: greeting",
            "Plugins that end with the sessions that run: greeting",
        ]
        assert server.says() == "450 4.7.1 VERSION 2"
        assert old.type("RCPT TO:<who@example.org>") == "450 4.7.1 VERSION 1"
        assert old.type(f"RCPT TO:<{ACCOUNT}>").startswith("250")
        assert old.type("DATA").startswith("354")
        server.site.mta("reload")
        assert old.type("Subject: x\r\n\r\ntext\r\n.").startswith("250")
        assert "end VERSION 1" not in server.site.log
        assert old.type("QUIT").startswith("221")
    wait_until(lambda: "end VERSION 1" in server.site.log)
    assert server.says("count") == "450 4.7.1 asked 2"
    assert server.site.log.count("other begins") == 1
    assert server.site.log.count("begin VERSION 2") == 1


def test_sighup_does_the_same(server: Server) -> None:
    """The log says what came of it."""
    server.write(2)

    server.site.send_signal(signal.SIGHUP)

    wait_until(lambda: "the site file was read again" in server.site.log)
    assert server.says() == "450 4.7.1 VERSION 2"
    server.write("(")
    server.site.send_signal(signal.SIGHUP)
    wait_until(lambda: "nothing has changed" in server.site.log)
    assert server.says() == "450 4.7.1 VERSION 2"


def test_what_it_would_change(server: Server) -> None:
    """`mta diff` says it before, and nothing after; also of a server that has ended."""
    assert server.site.mta("diff").stdout == "Nothing would change.\n"
    server.write(2)
    server.change('use = "limits"', 'use = "limits"\naccount.day.recipients = 9')

    would = server.site.mta("diff", check=False)

    assert would.stdout.splitlines()[:2] == ["A reload changes:", "  + plugins.limits.account.day = { recipients = 9 }"]
    assert would.stdout.splitlines()[-2:] == [
        "Plugins that begin: greeting, limits",
        "Plugins that end with the sessions that run: greeting, limits",
    ]
    assert would.returncode == 1
    assert server.says() == "450 4.7.1 VERSION 1"
    server.site.mta("reload")
    assert server.site.mta("diff").stdout == "Nothing would change.\n"
    server.site.stop()
    assert server.site.mta("diff").stdout == "Nothing would change.\n"


def broken_code(server: Server) -> None:
    server.write("(")


def broken_option(server: Server) -> None:
    server.change('use = "greeting:Greeting"', 'use = "greeting:Greeting"\nmroe = "x"')


def broken_start(server: Server) -> None:
    (server.folder / "other.py").write_text(OTHER.replace('self.kit.log.info("other begins")', "1 / 0"))
    server.write(3)


def broken_toml(server: Server) -> None:
    server.change("[plugins.other]", "[plugins.other")


def broken_list(server: Server) -> None:
    server.change('plugins = ["greeting", "other"]', 'plugins = ["greting"]')


def broken_certificate(server: Server) -> None:
    server.site.key.write_text("no key")


def broken_domain(server: Server) -> None:
    server.site.mta("domain", "add", "twice.test")
    server.change("[plugins.other]", '[domains."twice.test"]\n[plugins.other]')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (broken_code, r"error: plugins\.greeting\.use: .*can't be imported: SyntaxError"),
        (broken_option, r"error: plugins\.greeting\.mroe: is unknown; did you mean more\?"),
        (broken_start, r"error: plugins\.other: plugin other can't start: ZeroDivisionError"),
        (broken_toml, r"error: is no TOML: "),
        (broken_list, r"error: listen\.mx\.plugins: greting is unknown; did you mean greeting\?"),
        (broken_certificate, r"error: tls: .*key\.pem"),
        (broken_domain, r"error: the domain twice\.test is in the site file and in the database"),
    ],
)
def test_what_cannot_be_used_changes_nothing(server: Server, damage: Callable[[Server], None], said: str) -> None:
    """The command says why, and so does its JSON; what was begun for it has ended."""
    damage(server)

    failed = server.site.mta("reload", check=False)
    as_json = server.site.mta("reload", "--json", check=False)

    assert failed.returncode == as_json.returncode == 1
    assert re.search(said, failed.stdout), failed.stdout + failed.stderr
    assert failed.stdout.endswith("Nothing has changed: the server goes on as before.\n")
    answer = json.loads(as_json.stdout)
    assert not answer["reloaded"]
    assert answer["problems"]
    assert server.says() == "450 4.7.1 VERSION 1"
    assert "end VERSION 1" not in server.site.log
    assert server.site.log.count("begin VERSION 3") == server.site.log.count("end VERSION 3")


def test_credentials_that_only_root_could_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd has given to the unit at its start stays in use; the rest of the file counts."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "site"))
    server = Server(tmp_path / "site")
    try:
        server.site.key.write_text("no key")
        server.write(2)

        assert "begun: greeting" in server.site.mta("reload").stdout

        assert "certificates not reloaded, the old ones stay in use" in server.site.log
        assert server.says() == "450 4.7.1 VERSION 2"
        with server.session() as typist:
            typist.type("RSET")
            assert typist.type("STARTTLS").startswith("220")
            typist.start_tls()
            assert typist.type("EHLO me").startswith("250")
    finally:
        assert server.site.stop() == 0


def test_what_counts_at_once_and_what_needs_a_restart(server: Server) -> None:
    """Limits, routes, relayed domains and lists count for new sessions; the rest is named, and stays."""
    with server.session() as old:
        server.change('plugins = ["greeting", "other"]', 'limits.message_size = "12KB"\nplugins = []')
        server.change("[plugins.greeting]", '[queue]\nlifetime = "1d"\n[domains."relayed.test"]\n'
            'relay_to = "mx"\nrecipients = "any"\n[plugins.greeting]')  # fmt: skip
        server.change("[listen.pop3]", f'[listen.more]\n{AT}role = "mx"\n[listen.pop3]')

        answer = json.loads(server.site.mta("reload", "--json", check=False).stdout)

        assert answer["reloaded"], answer
        assert answer["changed"] == ['domains."relayed.test"', "listen.mx.plugins", "listen.mx.limits.message_size"]
        assert sorted(answer["restart"]) == ["listen.more", "queue.lifetime"]
        assert "needs a restart: listen.more, queue.lifetime" in server.site.log
        assert old.type("RCPT TO:<eve@relayed.test>").startswith("550 5.7.1")
        assert old.type("RCPT TO:<who@example.org>").startswith("450")
    with Typist(server.site.ports["mx"]) as new:
        new.reply()
        assert "250-SIZE 12288" in new.type("EHLO me")
        assert new.type("MAIL FROM:<joe@strangers.test>").startswith("250")
        assert new.type("RCPT TO:<eve@relayed.test>").startswith("250")
        assert new.type("RCPT TO:<who@example.org>").startswith("250")


def test_limits_go_on_counting(server: Server) -> None:
    """What was sent before the reload counts after it, with the limit as it is then."""

    def send() -> int:
        with smtplib.SMTP("127.0.0.1", server.site.ports["submission"], timeout=60) as client:
            client.login(ACCOUNT, PASSWORD)
            client.mail(ACCOUNT)
            code = client.rcpt(ACCOUNT)[0]
            if code == 250:
                client.data("Subject: x\r\n\r\ntext\r\n")
            return code

    assert [send() for _ in range(3)] == [250] * 3
    server.change("account.hour.recipients = 5", "account.hour.recipients = 4")
    assert "begun: limits" in server.site.mta("reload").stdout

    assert [send() for _ in range(2)] == [250, 450]


def test_a_hundred_sessions_and_twenty_reloads(server: Server) -> None:
    """No session fails, none is refused, and no message is lost."""
    sent: list[str] = []
    failures: list[Exception] = []
    reloaded = threading.Event()

    def talk(number: int) -> None:
        while not reloaded.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", server.site.ports["mx"], timeout=60) as client:
                    client.sendmail("joe@strangers.test", [ACCOUNT], f"Subject: {number}\r\n\r\ntext\r\n")
            except (OSError, smtplib.SMTPException) as error:
                failures.append(error)
                return
            sent.append(f"{number}")

    server.change('role = "mx"', 'role = "mx"\nlimits.connections_per_client = 500')
    server.site.mta("reload")
    threads = [threading.Thread(target=talk, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for number in range(100, 120):
        server.write(number)
        server.site.send_signal(signal.SIGHUP)
        wait_until(lambda: f"begin VERSION {number}" in server.site.log)  # noqa: B023 - called at once
    reloaded.set()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(sent) >= 100
    assert server.says() == "450 4.7.1 VERSION 119"
    wait_until(lambda: all(f"end VERSION {number}\n" in server.site.log for number in (1, *range(100, 119))))
    assert "end VERSION 119\n" not in server.site.log
    listed = json.loads(server.site.mta("mailbox", "list", ACCOUNT, "--json").stdout)
    assert [each["messages"] for each in listed if each["name"] == "INBOX"] == [len(sent)]


def test_without_a_server(tmp_path: Path) -> None:
    """There is nobody to tell."""
    site = RunningSite(tmp_path / "site")

    failed = site.mta("reload", check=False)

    assert failed.returncode == 1
    assert "no server runs in" in failed.stderr
