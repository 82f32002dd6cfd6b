"""`mta domain`, `account` and `alias` beside a running server: the next RCPT knows what they did."""

from __future__ import annotations

import json
import signal
import smtplib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_site import RunningSite, wait_until

ANN, TIM = "ann@example.org", "tim@example.org"


@pytest.fixture
def site(directory: Path) -> Iterator[RunningSite]:
    """A running site that hosts example.org with a file of aliases, and the account ann@."""
    directory.mkdir()
    (directory / "aliases").write_text("info: ann\n")
    site = RunningSite(directory, '[domains."example.org"]\naliases_file = "aliases"\n')
    site.start()
    add(site, ANN)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def add(site: RunningSite, name: str, *arguments: str) -> None:
    site.mta("account", "add", name, "--external", *arguments)


@pytest.fixture
def client(site: RunningSite) -> Iterator[smtplib.SMTP]:
    """One connection to the MX listener, for as long as the test lasts."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=20) as client:
        client.ehlo()
        yield client


def answer(client: smtplib.SMTP, recipient: str, size: int | None = None) -> str:
    """Return the answer to RCPT."""
    client.mail("sender@away.test", [] if size is None else [f"SIZE={size}"])
    code, text = client.rcpt(recipient)
    client.rset()
    return f"{code} {text.decode().split(' ')[0]}"


def test_next_rcpt_knows(site: RunningSite, client: smtplib.SMTP) -> None:
    """Accounts, aliases and domains come and go while the server runs, and it notices at once."""
    assert answer(client, ANN) == "250 2.1.5"
    assert answer(client, TIM) == "550 5.1.1"
    assert answer(client, "ann@new.test") == "550 5.7.1"

    add(site, TIM)
    assert answer(client, TIM) == "250 2.1.5"
    site.mta("account", "set", TIM, "--disable")
    assert answer(client, TIM) == "550 5.2.1"
    site.mta("account", "remove", TIM)
    assert answer(client, TIM) == "550 5.1.1"

    site.mta("alias", "add", TIM, ANN)
    assert answer(client, "Tim+tag@example.org") == "250 2.1.5"
    site.mta("alias", "remove", TIM)
    assert answer(client, TIM) == "550 5.1.1"

    site.mta("domain", "add", "new.test", "--alias-of", "example.org")
    assert answer(client, "ann@new.test") == "250 2.1.5"
    site.mta("domain", "remove", "new.test")
    assert answer(client, "ann@new.test") == "550 5.7.1"


def test_mail_counts_against_the_quota(site: RunningSite, client: smtplib.SMTP) -> None:
    """What was delivered and what was set by an operator both decide about the next message."""
    site.mta("account", "set", ANN, "--quota-messages", "2")
    for _ in range(2):
        client.sendmail("sender@away.test", ["info@example.org"], "Subject: x\r\n\r\nhello\r\n")

    assert answer(client, ANN) == "452 4.2.2"
    shown = json.loads(site.mta("account", "show", ANN, "--json").stdout)
    assert shown["messages"] == 2
    site.mta("account", "set", ANN, "--quota-messages", "default", "--quota", "1MB")
    assert answer(client, ANN, 1_000_000) == "250 2.1.5"
    assert answer(client, ANN, 2_000_000) == "552 5.2.3"


def test_account_goes_with_its_mail(site: RunningSite, client: smtplib.SMTP) -> None:
    """Of a removed account nothing is left, and one of its name begins anew."""
    client.sendmail("sender@away.test", [ANN], "Subject: x\r\n\r\nhello\r\n")
    refused = site.mta("account", "remove", ANN, stdin="n\n", check=False)
    assert refused.returncode == 1
    assert "ann@example.org has 1 messages" in refused.stderr
    assert answer(client, ANN) == "250 2.1.5"

    site.mta("account", "remove", ANN, "--yes")
    add(site, ANN)

    assert json.loads(site.mta("account", "show", ANN, "--json").stdout)["messages"] == 0
    client.sendmail("sender@away.test", [ANN], "Subject: y\r\n\r\nhello\r\n")
    assert json.loads(site.mta("account", "show", ANN, "--json").stdout)["messages"] == 1


def test_change_that_nobody_told_of(site: RunningSite, client: smtplib.SMTP) -> None:
    """Whatever another program writes to the database is noticed all the same."""
    assert answer(client, TIM) == "550 5.1.1"
    with sqlite3.connect(site.state / "mta.db") as database:
        database.execute("INSERT INTO aliases VALUES (?, ?, ?)", (TIM, TIM, ANN))

    wait_until(lambda: answer(client, TIM) == "250 2.1.5")


def test_aliases_file_at_sighup(site: RunningSite, client: smtplib.SMTP) -> None:
    """It is read again."""
    assert answer(client, "news@example.org") == "550 5.1.1"
    (site.directory / "aliases").write_text("news: ann\n")

    site.send_signal(signal.SIGHUP)

    wait_until(lambda: answer(client, "news@example.org") == "250 2.1.5")
    assert answer(client, "info@example.org") == "550 5.1.1"


def test_domain_in_both_places(site: RunningSite) -> None:
    """The server doesn't start with it, and says why; nor is it added."""
    assert "stands in the site file already" in site.mta("domain", "add", "example.org", check=False).stderr
    assert site.stop() == 0
    with sqlite3.connect(site.state / "mta.db") as database:
        database.execute("INSERT INTO domains VALUES ('example.org', NULL, '+', 0, NULL, NULL, 'defer')")

    with pytest.raises(AssertionError, match=r"the domain example\.org is in the site file and in the database"):
        site.start()

    site.wait()
    site.mta("domain", "list")
