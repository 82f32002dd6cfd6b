"""Limits and the brake in a running server, and the commands that go with them."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_sink import Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until

TOML = """
[listen.submission]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
plaintext_login = ["127.0.0.0/8"]
plugins = ["sending", "thieves"]
[plugins.sending]
use = "limits"
account.hour.octets = "20KB"
[plugins.thieves]
use = "brake"
learn = "1ms"
owners = { "alice@example.org" = "alice@elsewhere.test" }
"""


@pytest.fixture
def home() -> Iterator[Sink]:
    """Where all mail goes but that for victims.test, whose host is down."""
    with running_sink() as sink:
        yield sink


@pytest.fixture
def site(directory: Path, home: Sink) -> Iterator[RunningSite]:
    """A running site with a login."""
    site = RunningSite(
        directory,
        '[[route]]\nmatch = { to_domain = "victims.test" }\nvia = "smtp://127.0.0.1:1"\n'
        f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{home.port}"\n',
        listeners=TOML,
    )
    site.start()
    site.add_account(ACCOUNT, PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def send(site: RunningSite, *to: str, size: int = 10) -> list[tuple[int, bytes]]:
    """Send a message to each, on one connection; return the answers of those that were refused."""
    refused = []
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
        client.login(ACCOUNT, PASSWORD)
        for address in to:
            try:
                client.sendmail(ACCOUNT, [address], "Subject: x\r\n\r\n" + "x" * size + "\r\n")
            except smtplib.SMTPRecipientsRefused as error:
                refused.append(error.recipients[address])
            except smtplib.SMTPResponseException as error:
                refused.append((error.smtp_code, error.smtp_error))
    return refused


def asked(site: RunningSite, *command: str) -> Any:
    return json.loads(site.mta(*command, "--json").stdout)


def states(site: RunningSite) -> list[str]:
    return [each["state"] for message in asked(site, "queue", "list") for each in message["recipients"]]


def test_the_brake(site: RunningSite, home: Sink) -> None:
    """An account that writes to strangers is stopped, its mail kept, those concerned are told; then it is discarded."""
    refused = send(site, *(f"s{n}@victims.test" for n in range(60)))

    assert 60 - len(refused) == 40
    assert {code for code, _ in refused} == {450}
    assert all(b"please ask your postmaster" in text for _, text in refused)
    wait_until(lambda: any(b"was stopped: its mail isn't its own" in each.data for each in home.messages))
    (notice,) = (each for each in home.messages if b"was stopped" in each.data)
    assert b"To: <postmaster@example.org>,\r\n\t<alice@elsewhere.test>" in notice.data
    assert b"s39@victims.test" in notice.data
    wait_until(lambda: states(site) == ["suspended"] * (60 - len(refused)))

    assert site.stop() == 0
    site.start()
    assert len(send(site, "friend@else.test")) == 1
    assert [each["account"] for each in asked(site, "account", "brake", "list")] == [ACCOUNT]
    discarded = asked(site, "account", "brake", "discard", ACCOUNT)
    assert discarded["recipients"] == 60 - len(refused)
    assert states(site) == []
    assert asked(site, "queue", "suspended") == []
    assert send(site, "friend@else.test") == []


def test_the_brake_released(site: RunningSite, home: Sink) -> None:
    """It was the owner: what waited goes out, and as much again is normal."""
    refused = send(site, *(f"s{n}@victims.test" for n in range(60)))
    wait_until(lambda: states(site) == ["suspended"] * (60 - len(refused)))

    assert asked(site, "account", "brake", "release", ACCOUNT)["recipients"] == 60 - len(refused)

    assert asked(site, "account", "brake", "list") == []
    assert "suspended" not in states(site)
    assert send(site, *(f"t{n}@victims.test" for n in range(60))) == []


def test_limits(site: RunningSite) -> None:
    """What is used is known to the command at once, and after a kill; a reset counts at once."""
    assert send(site, "a@else.test", "b@else.test", size=7000) == []
    ((code, text),) = send(site, "a@else.test", size=9000)
    assert code == 450
    assert b"4.7.1 Too much mail from your account: at most 20.0 KB an hour; please try again in" in text

    used = {
        (each["measure"], each["period"]): each["used"] for each in asked(site, "limits", "show", ACCOUNT)["limits"]
    }
    assert used["messages", "day"] == pytest.approx(2, abs=0.1)
    assert 13_000 < used["octets", "hour"] < 16_000
    wait_until(lambda: b"octets hour" in _buckets(site))
    site.kill()
    site.start()
    assert len(send(site, "a@else.test", size=9000)) == 1
    site.mta("limits", "reset", ACCOUNT)
    assert send(site, "a@else.test", size=9000) == []


def _buckets(site: RunningSite) -> bytes:
    """What is on disk."""
    return b"".join(path.read_bytes() for path in site.state.glob("mta.db*"))
