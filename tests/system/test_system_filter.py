"""Mail that goes through a content filter and back: it stays whose it was, and nobody can make it somebody else's."""

from __future__ import annotations

import json
import smtplib
import threading
import uuid
from collections.abc import Iterator
from imaplib import IMAP4
from typing import Any

import pytest
from lmtp_filter import Filter, running_filter
from mail_sink import Received, Sink, running_sink
from running_site import PASSWORD, RunningSite, wait_until
from typist import Typist

ANN, BOB, EVE, AWAY = "ann@hosted.test", "bob@hosted.test", "eve@sender.test", "carol@elsewhere.test"

AT = 'endpoint = "tcp:0:interface=127.0.0.1"\n'
LISTENERS = f"""
[listen.mx]
{AT}role = "mx"
plugins = ["rules", "filter"]
[listen.submission]
{AT}role = "submission"
plaintext_login = ["127.0.0.0/8"]
plugins = ["filter"]
[listen.back]
{AT}role = "reinject"
[listen.imap]
{AT}role = "imap"
plaintext_login = ["127.0.0.0/8"]
"""


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """Where mail for elsewhere goes; it doesn't know nobody@elsewhere.test."""
    with running_sink() as sink:
        sink.answer = lambda line: "550 5.1.1 no such address" if "<nobody@" in line else None
        yield sink


@pytest.fixture(scope="module")
def filtering() -> Iterator[Filter]:
    """The content filter."""
    with running_filter() as filtering:
        yield filtering


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: Sink, filtering: Filter) -> Iterator[RunningSite]:
    """A site that sends all that comes in through the filter."""
    site = RunningSite(
        tmp_path_factory.mktemp("site"),
        f"""
[domains."hosted.test"]
[plugins.filter]
use = "content_filter"
via = "lmtp://127.0.0.1:{filtering.port}"
[plugins.rules]
use = "headers"
rules = [{{ field = "Subject", matches = "casino", file = "Junk" }}]
[queue]
retry = ["1s"]
retry_cap = "1s"
[[route]]
match = {{}}
via = "smtp://127.0.0.1:{sink.port}"
""",
        LISTENERS,
    )
    for address in (ANN, BOB):
        site.add_account(address, PASSWORD)
    site.start()
    filtering.back = site.ports["back"]
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


@pytest.fixture(autouse=True)
def _as_usual(filtering: Filter) -> None:
    filtering.says, filtering.refuses = (lambda told: told), (lambda _: None)
    filtering.told.clear()


def send(site: RunningSite, *to: str, sender: str = EVE, about: str = "") -> str:
    """Send a message, by a login if it is ann's; return its token."""
    token = about + uuid.uuid4().hex
    text = f"From: {sender}\r\nTo: somebody\r\nMessage-ID: <{token}@sender.test>\r\nSubject: {token}\r\n\r\nhello\r\n"
    port = site.ports["submission" if sender == ANN else "mx"]
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test") as client:
        if sender == ANN:
            client.login(ANN, PASSWORD)
        client.sendmail(sender, to, text)
    return token


def taken(sink: Sink, token: str) -> Received:
    def look() -> list[Received]:
        return [each for each in sink.messages if token.encode() in each.data]

    wait_until(look)
    return look()[0]


def numbers(site: RunningSite, user: str, *criteria: str, mailbox: str = "INBOX") -> list[bytes]:
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(user, PASSWORD)
        client.select(mailbox, readonly=True)
        found: list[bytes] = client.search(None, *criteria)[1][0].split()
        return found


def waiting(site: RunningSite) -> list[dict[str, Any]]:
    messages = json.loads(site.mta("queue", "list", "--json").stdout)
    return [recipient for each in messages for recipient in each["recipients"]]


def test_the_way_through(site: RunningSite, sink: Sink, filtering: Filter) -> None:
    """The filter's mark is on the message here and elsewhere; the filter was told who sent it."""
    token = send(site, AWAY, BOB, sender=ANN)

    received = taken(sink, token)
    assert b"X-Looked-At: yes\r\n" in received.data
    wait_until(lambda: numbers(site, BOB, "HEADER", "Message-ID", token, "HEADER", "X-Looked-At", "yes"))
    words = dict(word.split("=") for word in filtering.told[0].split())
    assert words.pop("IDENT") in site.log
    assert words == {"ADDR": "127.0.0.1", "PROTO": "ESMTPA", "HELO": "client.test", "SOURCE": "LOCAL"}
    assert received.data.count(b"\r\nReceived:") + received.data.startswith(b"Received:") == 2
    wait_until(lambda: not waiting(site))


def test_what_was_filed_before(site: RunningSite) -> None:
    """A plugin that is asked before the filter says into which mailbox it goes behind it."""
    token = send(site, BOB, about="casino")

    wait_until(
        lambda: numbers(site, BOB, "HEADER", "Message-ID", token, "HEADER", "X-Looked-At", "yes", mailbox="Junk")
    )


def test_bounces_go_to_who_submitted_it(site: RunningSite, filtering: Filter) -> None:
    """Behind the filter a failure is still that of the account: it is told, and strangers aren't."""
    own = send(site, "nobody@elsewhere.test", sender=ANN)

    wait_until(lambda: numbers(site, ANN, "FROM", "MAILER-DAEMON", "BODY", own))

    filtering.says = lambda told: told.replace("IDENT=", "IDENT=0")  # of another message, so it isn't ann's any more
    strange = send(site, "nobody@elsewhere.test", sender=ANN)
    wait_until(lambda: not waiting(site))
    assert not numbers(site, ANN, "FROM", "MAILER-DAEMON", "BODY", strange)


def test_what_the_filter_refuses(site: RunningSite, sink: Sink, filtering: Filter) -> None:
    """One recipient's copy fails, with the filter's word; the other's goes on."""
    filtering.refuses = lambda recipient: "554 5.7.1 a banned attachment" if "carol" in recipient else None

    token = send(site, AWAY, "dave@elsewhere.test", sender=ANN)

    assert taken(sink, token).recipients == ["<dave@elsewhere.test>"]
    wait_until(lambda: numbers(site, ANN, "FROM", "MAILER-DAEMON", "BODY", token, "BODY", "banned"))


def test_a_suspended_account(site: RunningSite, sink: Sink, filtering: Filter) -> None:
    """What comes back while the account is suspended waits with all else of it."""
    filtering.refuses = lambda _: "451 4.3.2 wait"
    token = send(site, AWAY, sender=ANN)
    wait_until(lambda: any(each["attempts"] for each in waiting(site)))
    give_back, held = filtering.give_back, []

    def suspend_first(*message: Any) -> str:
        if not held:
            held.append(site.mta("queue", "suspend", "--account", ANN))
        return give_back(*message)

    filtering.give_back = suspend_first  # type: ignore[method-assign]
    try:
        filtering.refuses = lambda _: None
        wait_until(lambda: [each["state"] for each in waiting(site)] == ["suspended"])
        assert not any(token.encode() in each.data for each in sink.messages)
    finally:
        del filtering.give_back
        site.mta("queue", "resume", "--account", ANN)

    taken(sink, token)


def test_an_account_cannot_be_claimed(site: RunningSite, sink: Sink, filtering: Filter) -> None:
    """Whoever can connect there may name any message: one that isn't with a filter lends its account to nobody."""
    taken(sink, send(site, AWAY, sender=ANN))
    (ident,) = (word[6:] for word in filtering.told[0].split() if word.startswith("IDENT="))
    wait_until(lambda: not waiting(site))
    token = uuid.uuid4().hex

    with Typist(site.ports["back"]) as typist:
        typist.reply()
        typist.type("EHLO filter")
        for line in (f"XFORWARD ADDR=192.0.2.7 IDENT={ident}", f"MAIL FROM:<{ANN}>", f"RCPT TO:<{AWAY}>"):
            assert typist.type(line).startswith("250")
        typist.type("DATA")
        typist.type(f"Subject: {token}\r\n\r\nx\r\n.")

    taken(sink, token)
    (line,) = (each for each in site.log.splitlines() if "from 192.0.2.7" in each)
    assert f"before the filter {ident}" in line
    assert "login" not in line


def test_while_it_does_not_want_to(site: RunningSite, filtering: Filter) -> None:
    """Mail waits, as for any next hop; operators know it by the name that the queue shows."""
    filtering.refuses = lambda _: "451 4.3.2 not now"
    token = send(site, BOB)
    lane = f"filter+lmtp://127.0.0.1:{filtering.port}"
    wait_until(lambda: [each["via"] for each in waiting(site) if each["attempts"]] == [lane])

    site.mta("queue", "suspend", "--lane", lane)
    wait_until(lambda: [each["state"] for each in waiting(site)] == ["suspended"])
    filtering.refuses = lambda _: None
    site.mta("queue", "resume", "--lane", lane)

    wait_until(lambda: numbers(site, BOB, "HEADER", "Message-ID", token))


def test_killed_in_the_midst(site: RunningSite, sink: Sink, filtering: Filter) -> None:
    """A message is in the queue before the filter, or behind it, or in both places, but never in neither."""
    begun, go_on = threading.Event(), threading.Event()
    give_back = filtering.give_back

    def slowly(*message: Any) -> str:
        if len(filtering.told) > 3:
            begun.set()
            go_on.wait(60)
            return "451 4.3.0 broken off"
        return give_back(*message)

    filtering.give_back = slowly  # type: ignore[method-assign]
    tokens = [send(site, AWAY, BOB, sender=ANN) for _ in range(8)]
    assert begun.wait(60)

    site.kill()
    del filtering.give_back
    go_on.set()
    site.start()
    filtering.back = site.ports["back"]

    for token in tokens:
        taken(sink, token)
        wait_until(lambda: numbers(site, BOB, "HEADER", "Message-ID", token))  # noqa: B023
    wait_until(lambda: not waiting(site))
