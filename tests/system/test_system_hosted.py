"""A site that keeps mail: by SMTP in, by POP3 out, through everything that decides in between."""

from __future__ import annotations

import poplib
import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import Any

import pytest
from awkward_messages import messages
from mail_sink import Sink
from running_site import PASSWORD, RunningSite, wait_until
from test_system_relay import FOREIGN, SOURCES
from typist import Typist

HOME = "home.test"
ANN, BEN, CAT, FULL = (f"{name}@{HOME}" for name in ("ann", "ben", "cat", "full"))
LISTENERS = """
[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role = "mx"
[listen.submission]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
plaintext_login = ["127.0.0.0/8"]
[listen.lmtp]
endpoint = "tcp:0:interface=127.0.0.1"
role = "lmtp"
[listen.pop3]
endpoint = "tcp:0:interface=127.0.0.1"
role = "pop3"
plaintext_login = ["127.0.0.0/8"]
[listen.pop3.limits]
connections_per_client = 500
"""
STRANGER = "joe@strangers.test"
TRACE = re.compile(rb"Return-Path: [^\r]*\r\nDelivered-To: [^\r]*\r\nReceived: [^\r]*\r\n(?:\t[^\r]*\r\n)+")


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[RunningSite]:
    """A site that keeps the mail of home.test, and sends all other to the sink."""
    site = RunningSite(
        tmp_path_factory.mktemp("hosted"),
        f'[domains."{HOME}"]\n[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n',
        LISTENERS,
    )
    site.start()
    for address in (ANN, BEN, CAT, FULL):
        site.add_account(address, PASSWORD)
    site.mta("account", "set", FULL, "--quota", "20KB")
    site.mta("alias", "add", f"team@{HOME}", ANN, BEN, "eve@else.test")
    site.mta("alias", "add", f"away@{HOME}", "eve@else.test")
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


@contextmanager
def maildrop(site: RunningSite, account: str) -> Iterator[poplib.POP3]:
    drop = poplib.POP3("127.0.0.1", site.ports["pop3"], timeout=60)
    drop.utf8()  # or headers beyond ASCII are told in ASCII (RFC 6856)
    drop.user(account)
    drop.pass_(PASSWORD)
    yield drop
    drop.quit()


def take(site: RunningSite, account: str) -> list[bytes]:
    """Fetch and remove all mail of an account, dot-stuffing undone."""
    taken = []
    with maildrop(site, account) as drop:
        for number in range(1, drop.stat()[0] + 1):
            taken.append(b"".join(line + b"\r\n" for line in drop.retr(number)[1]))
            drop.dele(number)
    return taken


def arrived(site: RunningSite, account: str, number: int = 1) -> list[bytes]:
    """Wait for mail that the queue brings, and take it."""

    def count() -> int:
        with maildrop(site, account) as drop:
            return drop.stat()[0]

    wait_until(lambda: count() >= number)
    return take(site, account)


def send(site: RunningSite, data: bytes, *recipients: str, options: tuple[str, ...] = (), size: int = 0) -> list[int]:
    """Send from a stranger, whatever the data; return the codes to RCPT and to the data."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=60) as client:
        client.ehlo()
        client.docmd(f"MAIL FROM:<{STRANGER}>" + (f" SIZE={size}" if size else ""))
        codes = [client.docmd(" ".join((f"RCPT TO:<{each}>", *options)))[0] for each in recipients]
        if any(code == 250 for code in codes):
            client.putcmd("DATA")
            assert client.getreply()[0] == 354
            client.send(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
            codes.append(client.getreply()[0])
    return codes


@contextmanager
def login(site: RunningSite, account: str) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=60) as client:
        client.login(account, PASSWORD)
        yield client


def parsed(data: bytes) -> Any:
    return message_from_bytes(data, policy=policy.default)


def test_every_octet_is_kept(hosted: RunningSite) -> None:
    """Below the trace lines a person reads what was sent, however odd it is."""
    sent = [data for _, data in messages() if data.endswith(b"\r\n")]
    with smtplib.SMTP("127.0.0.1", hosted.ports["mx"], timeout=60) as client:
        client.ehlo()
        for data in sent:
            client.docmd(f"MAIL FROM:<{STRANGER}>")
            client.docmd(f"RCPT TO:<{CAT}>")
            client.putcmd("DATA")
            client.getreply()
            client.send(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
            assert client.getreply()[0] == 250

    read = take(hosted, CAT)

    assert len(read) == len(sent) > 100
    for was, now in zip(sent, read, strict=True):
        trace = TRACE.match(now)
        assert trace is not None
        below = now[trace.end() :]
        assert below in (was, b"\r\n" + was), "an empty line follows the trace where there was no header"


def test_unknown_and_foreign_recipients(hosted: RunningSite) -> None:
    """Each is told at RCPT: nobody of that name, or not a server for that domain."""
    assert send(hosted, b"", f"nobody@{HOME}", "x@else.test") == [550] * 2
    for listener, hello in (("mx", "EHLO me"), ("lmtp", "LHLO me")):
        for source in SOURCES:
            for path in FOREIGN:
                with Typist(hosted.ports[listener], source=source) as typist:
                    typist.reply()
                    typist.type(hello)
                    typist.type(f"MAIL FROM:<{ANN}>")
                    answer = typist.type(f"RCPT TO:<{path.replace('relayed.test', HOME)}>")
                    assert answer[:5] in ("550 5", "501 5", "553 5"), path


def test_vrfy_tells_nothing(hosted: RunningSite) -> None:
    """The same of those that exist and those that don't."""
    with Typist(hosted.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        assert typist.type(f"VRFY {ANN}") == typist.type(f"VRFY nobody@{HOME}")
        assert typist.type(f"VRFY {ANN}").startswith("252 ")


def test_quota(hosted: RunningSite) -> None:
    """Refused at RCPT as soon as it is known; by the size announced, or because it is full already."""
    assert send(hosted, b"", FULL, size=30_000) == [552]
    assert send(hosted, b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 1750, FULL) == [250, 250]

    assert send(hosted, b"", FULL) == [452]
    assert len(take(hosted, FULL)) == 1
    assert send(hosted, b"Subject: x\r\n\r\n", FULL) == [250, 250]


def test_everybody_in_one_transaction(hosted: RunningSite, sink: Sink) -> None:
    """More than 200 recipients: kept, sent on, forwarded, refused; each gets one copy."""
    others = [f"u{number}@else.test" for number in range(200)]
    nobody = [f"no{number}@{HOME}" for number in range(5)]
    before = len(sink.messages)
    with login(hosted, ANN) as client:
        refused = client.sendmail(
            ANN,
            [*others, BEN, f"team@{HOME}", f"away@{HOME}", f"Ben+tag@{HOME}", *nobody],
            "Subject: all\r\n\r\nHello\r\n",
        )

    assert set(refused) == set(nobody)
    assert [len(take(hosted, account)) for account in (ANN, BEN)] == [1, 1]
    wanted = {f"<{each}>" for each in (*others, "eve@else.test")}

    def reached() -> list[str]:
        return [each.partition(" ")[0] for message in sink.messages[before:] for each in message.recipients]

    wait_until(lambda: len(reached()) >= len(wanted))
    assert sorted(reached()) == sorted(wanted)


def test_large_message(hosted: RunningSite) -> None:
    """20 MB go through, and come out the same."""
    text = b"Subject: large\r\n\r\n" + b"".join(b"%070d\r\n" % number for number in range(280_000))

    assert send(hosted, text, BEN) == [250, 250]

    (read,) = take(hosted, BEN)
    assert read.endswith(text)


def test_news_of_success_comes_into_the_own_mailbox(hosted: RunningSite) -> None:
    """Delivered, or expanded with its forwards on their way: from the hosted domain itself."""
    with login(hosted, ANN) as client:
        for recipient in (BEN, f"team@{HOME}"):
            client.sendmail(ANN, [recipient], "Subject: x\r\n\r\nHello\r\n", rcpt_options=["NOTIFY=SUCCESS"])

    actions = {}
    for report in map(parsed, arrived(hosted, ANN, 3)):
        if report["subject"] != "x":
            assert report["from"].addresses[0].addr_spec == f"MAILER-DAEMON@{HOME}"
            group = list(report.iter_parts())[1].get_payload()[1]
            actions[group["final-recipient"]] = group["action"]
    assert actions == {f"rfc822; {BEN}": "delivered", f"rfc822; team@{HOME}": "expanded"}
    assert len(take(hosted, BEN)) == 2


def test_bounce_comes_into_the_own_mailbox(hosted: RunningSite, sink: Sink) -> None:
    """What a next hop refuses for good is told to the account that sent it."""
    sink.answer = lambda line: "550 5.1.1 no such user" if "gone@" in line else None
    with login(hosted, ANN) as client:
        client.sendmail(ANN, ["gone@else.test"], "Subject: x\r\n\r\nHello\r\n")
    (bounce,) = map(parsed, arrived(hosted, ANN))
    sink.answer = lambda _line: None

    assert bounce["from"].addresses[0].addr_spec == f"MAILER-DAEMON@{HOME}"
    assert bounce["return-path"] == "<>"
    assert bounce["delivered-to"] == ANN
    assert bounce.get_content_type() == "multipart/report"


def test_forward_to_an_explicit_host(hosted: RunningSite, sink: Sink) -> None:
    """It has a sender of the alias's domain, as SPF of that host isn't known; no trace of final delivery."""
    before = len(sink.messages)
    assert send(hosted, b"Subject: x\r\n\r\nHello\r\n", f"away@{HOME}") == [250, 250]

    wait_until(lambda: len(sink.messages) > before)
    message = sink.messages[-1]
    assert re.match(rf"<SRS0=\w+=\w+=strangers\.test=joe@{HOME}>", message.sender)
    assert message.recipients[0].startswith("<eve@else.test>")
    assert b"Return-Path" not in message.data
    assert b"Delivered-To" not in message.data


def test_what_was_delivered_here_before(hosted: RunningSite) -> None:
    """A message that some other host sends back is refused, not delivered again."""
    assert send(hosted, b"Subject: x\r\n\r\n", ANN) == [250, 250]
    (once,) = take(hosted, ANN)

    assert send(hosted, once, ANN) == [250, 554]
    assert send(hosted, once, BEN) == [250, 250]
    (again,) = take(hosted, BEN)
    assert again.count(b"Return-Path:") == 1


def test_lmtp_by_hand(hosted: RunningSite) -> None:
    """One answer for each recipient, and one copy for each mailbox."""
    with Typist(hosted.ports["lmtp"]) as typist:
        assert typist.reply() == "220 mail.example.org LMTP"
        typist.type("LHLO me")
        typist.type(f"MAIL FROM:<{STRANGER}>")
        codes = [typist.type(f"RCPT TO:<{each}>")[:3] for each in (ANN, f"no@{HOME}", BEN, ANN)]
        typist.type("DATA")
        typist.send(b"Subject: by hand\r\n\r\nHello\r\n.\r\n")
        answers = [typist.reply()[:3] for _ in range(3)]

    assert codes == ["250", "550", "250", "250"]
    assert answers == ["250"] * 3
    assert [len(take(hosted, account)) for account in (ANN, BEN)] == [1, 1]
