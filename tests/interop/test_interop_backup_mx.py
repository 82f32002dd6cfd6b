"""A backup MX and the DNS: mail goes on to better hosts only, or waits for them (RFC 5321 section 5.1)."""

from __future__ import annotations

import json
import smtplib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from interop_daemons import DNS_PORT, SMTP_PORT, Daemon, LoopbackNetwork, eventually
from mail_sink import Sink, running_sink
from running_site import RunningSite

DOMAINS = ("backup.test", "equal.test", "unlisted.test", "best.test")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, knot: Daemon, network: LoopbackNetwork) -> Iterator[RunningSite]:
    """A server called mail.example.org, the backup MX of every domain here."""
    domains = "".join(f'[domains."{name}"]\nrelay_to = "mx"\n' for name in DOMAINS)
    tables = (
        f'[dns]\nnameservers = ["{network.address(53)}"]\nport = {DNS_PORT}\n'
        f'[outbound]\nport = {SMTP_PORT}\nallow_networks = ["{network.mask}"]\n{domains}'
    )
    site = RunningSite(tmp_path_factory.mktemp("backup"), tables, host=network.address(22))
    try:
        site.start()
        yield site
    finally:
        site.stop()
    assert "Traceback" not in site.log


@pytest.fixture
def third(network: LoopbackNetwork) -> Iterator[Sink]:
    """The host of the worst preference; it takes whatever comes."""
    with running_sink((network.address(31), SMTP_PORT)) as sink:
        yield sink


def send(site: RunningSite, recipient: str) -> str:
    """Hand in a message from a stranger; return what marks it."""
    mark = uuid.uuid4().hex
    with smtplib.SMTP(site.host, site.ports["mx"], timeout=30) as client:
        client.sendmail("carol@stranger.test", [recipient], f"Subject: {mark}\r\n\r\nhello\r\n")
    return mark


def has(sink: Sink, mark: str) -> bool:
    return any(mark.encode() in message.data for message in sink.messages)


def queued(site: RunningSite, recipient: str) -> list[dict[str, Any]]:
    found = json.loads(site.mta("queue", "list", "--json", "--to", recipient).stdout)
    return [each for message in found for each in message["recipients"]]


def test_a_better_host_gets_the_mail(site: RunningSite, network: LoopbackNetwork, third: Sink) -> None:
    """The primary is asked about the recipient, and gets the message; whom it refuses we refuse."""

    def answer(line: str) -> str | None:
        return "550 5.1.1 nobody here" if line.startswith("RCPT TO:<nobody@") else None

    with running_sink((network.address(30), SMTP_PORT), answer=answer) as primary:
        mark = send(site, "first@backup.test")
        eventually(lambda: has(primary, mark), "the message at the primary")

        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            send(site, "nobody@backup.test")

    (code, text) = refused.value.recipients["nobody@backup.test"]
    assert (code, text[:6]) == (550, b"5.1.1 ")
    assert not third.messages


@pytest.mark.parametrize("domain", ["backup.test", "equal.test"])
def test_mail_waits_for_a_better_host(site: RunningSite, network: LoopbackNetwork, third: Sink, domain: str) -> None:
    """With the primary down it is deferred: neither worse nor equal hosts are tried, and we don't try ourselves."""
    recipient = f"second@{domain}"
    mark = send(site, recipient)

    deferred = eventually(lambda: [each for each in queued(site, recipient) if each["attempts"]], "an attempt")
    assert deferred[0]["state"] == "waiting"
    assert deferred[0]["reply"].startswith("4")

    with running_sink((network.address(30), SMTP_PORT)) as primary:
        site.mta("queue", "retry", "--domain", domain)
        eventually(lambda: has(primary, mark), "the message at the primary")
    assert not third.messages
    (message,) = primary.messages
    assert message.data.count(b"Received:") == 1


def test_a_host_outside_the_list_tries_all_of_it(site: RunningSite, third: Sink) -> None:
    """Whom the MX records don't name is no better or worse than any of them, so nothing is left out."""
    mark = send(site, "third@unlisted.test")

    eventually(lambda: has(third, mark), "the message at the other host")


def test_the_best_host_takes_nothing_to_relay(site: RunningSite, third: Sink) -> None:
    """Nobody is better than we: the mail could only loop, and is refused before it is taken."""
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(site, "fourth@best.test")

    ((code, text),) = refused.value.recipients.values()
    assert (code, text[:6]) == (550, b"5.4.6 ")
    assert not third.messages
