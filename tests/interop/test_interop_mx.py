"""What a name server that nobody here wrote can say of a domain, and what becomes of mail for it."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from email import message_from_bytes, policy

import pytest
from interop_daemons import DNS_PORT, Daemon, LoopbackNetwork, eventually
from mail_sink import Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite


@pytest.fixture(scope="module")
def home() -> Iterator[Sink]:
    """Where reports go."""
    with running_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, knot: Daemon, network: LoopbackNetwork, home: Sink
) -> Iterator[RunningSite]:
    """A server at host 21 that allows no loopback network, so that it protects itself as in the wild."""
    tables = (
        f'[dns]\nnameservers = ["{network.address(53)}"]\nport = {DNS_PORT}\n'
        f'[[route]]\nmatch = {{ to_domain = ["example.org"] }}\nvia = "smtp://127.0.0.1:{home.port}"\n'
    )
    site = RunningSite(tmp_path_factory.mktemp("mx"), tables, host=network.address(21))
    try:
        site.start()
        site.add_account(ACCOUNT, PASSWORD)
        yield site
    finally:
        site.stop()


def submit(site: RunningSite, recipient: str) -> None:
    """Send a message that is known by its recipient."""
    message = f"From: {ACCOUNT}\r\nSubject: to {recipient}\r\n\r\nhello\r\n".encode()
    with smtplib.SMTP(site.host, site.ports["submission"], timeout=20) as client:
        client.login(ACCOUNT, PASSWORD)
        client.sendmail(ACCOUNT, recipient, message)


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("null.test", "5.1.10"),
        ("gone.postfix.test", "5.1.2"),
        ("looped.test", "5.4.6"),
        ("ours.test", "5.4.6"),
        ("exim.test", "5.4.4"),
        ("hostless.test", "5.4.4"),
    ],
    ids=["null MX", "NXDOMAIN", "our name", "our address", "loopback by MX", "loopback by A"],
)
def test_domains_that_get_no_mail(site: RunningSite, home: Sink, domain: str, status: str) -> None:
    """Mail comes back at once where a domain wants none, doesn't exist, or leads to us or into this machine."""
    submit(site, f"bob@{domain}")

    mark = f"Subject: to bob@{domain}\r\n".encode()
    eventually(lambda: any(mark in message.data for message in home.messages), "the report")
    report = message_from_bytes(
        next(message.data for message in home.messages if mark in message.data), policy=policy.default
    )
    part = next(part for part in report.walk() if part.get_content_type() == "message/delivery-status")
    assert [(one["Final-Recipient"], one["Status"]) for one in part.get_payload()[1:]] == [
        (f"rfc822; bob@{domain}", status)
    ]


def test_a_name_server_in_trouble_delays_mail(site: RunningSite, home: Sink) -> None:
    """SERVFAIL is no answer: the mail waits (RFC 5321 section 5.1)."""
    submit(site, "bob@broken.test")

    def answers() -> list[str]:
        listed = json.loads(site.mta("--json", "queue", "list", "--to", "bob@broken.test").stdout)
        return [each["reply"] for message in listed for each in message["recipients"] if each["reply"]]

    assert eventually(answers, "an attempt")[0].startswith("451 4.4.3 ")
    assert not [message for message in home.messages if b"bob@broken.test" in message.data]
