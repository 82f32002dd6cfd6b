"""Strangers at a running server: lists of the DNS, names, early talkers and greylisting, named in the site file."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest
from dns_responder import silent
from mail_sink import Sink
from name_server import NameServer
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until
from typist import Typist

LISTED, DOUBTFUL, HONEST, EARLY = "127.5.0.7", "127.6.0.7", "127.7.0.7", "127.8.0.7"

PLUGINS = """
[plugins.lists]
use = "dnsbl"
exempt_networks = []
refuse_at = 2
tag_at = 1
[[plugins.lists.zones]]
zone = "bl.test"
codes = { "127.0.0.2" = 2, "127.0.0.4-11" = 1 }
[[plugins.lists.zones]]
zone = "dead.test"
weight = 5
[[plugins.lists.zones]]
zone = "silent.test"
[plugins.names]
use = "names"
exempt_networks = []
[plugins.early]
use = "early"
exempt_networks = []
[plugins.grey]
use = "greylist"
exempt_networks = []
delay = "500ms"
"""


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    """Lists: one that works, one that was given up, one that is silent."""
    server = NameServer()
    add = server.responder.add
    add("7.0.5.127.bl.test", "A", "127.0.0.2")
    add("7.0.5.127.bl.test", "TXT", '"Spam source, see https://bl.test/7"')
    add("7.0.6.127.bl.test", "A", "127.0.0.10")
    for host in ("7.0.5.127", "7.0.6.127", "7.0.7.127", "1.0.0.127"):
        add(f"{host}.dead.test", "A", "127.0.0.2")
        server.responder.script(f"{host}.silent.test", silent)
    add("mail.example.org", "A", "127.0.0.1")
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: Sink, names: NameServer) -> Iterator[RunningSite]:
    """A site that is the MX of relayed.test and asks plugins."""
    at = "tcp:0:interface=127.0.0.1"
    listeners = (
        f'[listen.mx]\nendpoint = "{at}"\nrole = "mx"\nplugins = ["lists", "names", "grey"]\n'
        f'[listen.screened]\nendpoint = "{at}"\nrole = "mx"\nplugins = ["early"]\n'
        f'[listen.submission]\nendpoint = "{at}"\nrole = "submission"\nplaintext_login = ["127.0.0.0/8"]\n'
    )
    tables = (
        f'[dns]\nnameservers = ["127.0.0.1"]\nport = {names.port}\ntimeout = "1s"\n'
        f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
        f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n'
    )
    site = RunningSite(tmp_path_factory.mktemp("site"), PLUGINS + tables, listeners).start()
    site.add_account(ACCOUNT, PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def begun(site: RunningSite, source: str, sender: str, helo: str = "client.test") -> Typist:
    """A stranger's connection, up to MAIL."""
    typist = Typist(site.ports["mx"], source=source)
    typist.reply()
    typist.type(f"EHLO {helo}")
    assert typist.type(f"MAIL FROM:<{sender}>").startswith("250")
    return typist


def told(site: RunningSite, source: str, sender: str, recipient: str = "bob@relayed.test", **known: str) -> str:
    """What is answered to RCPT."""
    with begun(site, source, sender, **known) as typist:
        return typist.type(f"RCPT TO:<{recipient}>")


def sent(site: RunningSite, source: str, sender: str, subject: str, recipient: str = "bob@relayed.test") -> str:
    """What is answered to a message, or to what came before it."""
    with begun(site, source, sender) as typist:
        answer = typist.type(f"RCPT TO:<{recipient}>")
        if not answer.startswith("250"):
            return answer
        assert typist.type("DATA").startswith("354")
        typist.send(f"Subject: {subject}\r\nX-Listed: no\r\n\r\n.\r\n".encode())
        return typist.reply()


def test_listed_client(site: RunningSite) -> None:
    """It is refused with the list's name and reason; postmaster can be asked why, though that is new here as well."""
    answer = told(site, LISTED, "ann@sender.test")

    assert answer == (
        "554-5.7.1 127.5.0.7 is listed by bl.test: Spam source, see https://bl.test/7\n"
        "554 5.7.1 Ask there to be taken off the list, or write to our postmaster"
    )
    assert told(site, LISTED, "ann@sender.test", "postmaster@relayed.test").startswith("250")
    assert "list dead.test is of no use: it lists what no list may hold" in site.log
    assert "list silent.test is of no use" in site.log


def test_doubtful_client(site: RunningSite, sink: Sink) -> None:
    """Its mail bears a mark, the only one of that name; but first it has to come back."""
    assert sent(site, DOUBTFUL, "ann@sender.test", "doubtful").startswith("450 4.7.1")
    wait_until(lambda: sent(site, DOUBTFUL, "ann@sender.test", "doubtful").startswith("250"))

    wait_until(lambda: [each for each in sink.messages if b"Subject: doubtful" in each.data])
    message = next(each for each in sink.messages if b"Subject: doubtful" in each.data)
    assert message.data.count(b"X-Listed:") == 1
    assert b"X-Listed: 1;\r\n\tbl.test=127.0.0.10 (+1)\r\n" in message.data


def test_greylisting_outlives_a_restart(site: RunningSite) -> None:
    """A new triplet waits; once it came back in time it is let in at once, by the server started anew, too."""
    assert told(site, HONEST, "new@sender.test") == (
        "450 4.7.1 You are new here (greylisted); please try again in 1 minute"
    )
    wait_until(lambda: told(site, HONEST, "new@sender.test").startswith("250"))

    site.stop()
    site.start()

    assert told(site, HONEST, "new@sender.test").startswith("250")
    assert told(site, HONEST, "newer@sender.test").startswith("450 4.7.1")


def test_callouts(site: RunningSite) -> None:
    """They learn at once what they ask; a report has to come back."""
    assert told(site, HONEST, "").startswith("250")
    assert sent(site, HONEST, "", "report").startswith("450 4.7.1")
    wait_until(lambda: sent(site, HONEST, "", "report").startswith("250"))


def test_answers_do_not_wait(site: RunningSite, sink: Sink) -> None:
    """Whoever an account here has written to is let in at once."""
    assert told(site, HONEST, "carol@strangers.test").startswith("450 4.7.1")
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
        client.login(ACCOUNT, PASSWORD)
        client.sendmail(ACCOUNT, "carla@strangers.test", f"From: {ACCOUNT}\r\nSubject: hi carla\r\n\r\nhi\r\n")
    wait_until(lambda: [each for each in sink.messages if b"hi carla" in each.data])

    wait_until(lambda: told(site, "127.9.0.7", "carla@strangers.test").startswith("250"))


def test_who_takes_our_name(site: RunningSite) -> None:
    """Is refused and told why."""
    answer = told(site, HONEST, "eve@sender.test", helo="mail.example.org")

    assert answer.startswith("550 5.7.1 You call yourself by a name or an address of this server")


def test_early_talkers(site: RunningSite) -> None:
    """Who speaks before the greeting is turned away; who waits is greeted."""
    with Typist(site.ports["screened"], source=EARLY) as hasty:
        hasty.send(b"EHLO early.test\r\nMAIL FROM:<ann@sender.test>\r\n")
        answer = hasty.reply()
        assert answer.startswith("554-5.5.1 You spoke before you were greeted\n554 5.5.1 Wait for the 220")
        assert hasty.rest() == b""
    with Typist(site.ports["screened"], source=EARLY) as patient:
        assert patient.reply().startswith("220 mail.example.org ESMTP")
        assert patient.type("EHLO patient.test").startswith("250")
