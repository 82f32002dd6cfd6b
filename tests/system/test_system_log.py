"""What a real server's log holds: as objects, without the names of people, and never what mail says."""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_sink import Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until

SECRETS = ("Zugspitze", "Matterhorn", "Weisshorn", PASSWORD, "Y29ycmVjdCBob3JzZQ")
"""Words of a subject, a field, a body; a password, and that in Base64."""
MESSAGE = (
    "From: {sender}\r\nSubject: Zugspitze\r\nX-Note: Matterhorn\r\nMessage-ID: <Matterhorn@x.test>\r\n\r\nWeisshorn\r\n"
)
LISTENERS = """
[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role = "mx"

[listen.submission]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
plaintext_login = ["127.0.0.0/8"]
"""


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """Another host."""
    with running_sink() as sink:
        yield sink


def use(directory: Path, sink: Sink, log: str) -> RunningSite:
    """Have a site take mail, send some on, and refuse some; return it, stopped."""
    tables = f'[domains."example.org"]\n[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n[log]\n{log}\n'
    site = RunningSite(directory, tables, LISTENERS)
    site.add_account(ACCOUNT, PASSWORD)
    site.start()
    try:
        _send(site, "mx", "ann@sender.test", ACCOUNT)
        _send(site, "submission", ACCOUNT, "carol@elsewhere.test", PASSWORD)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            _send(site, "mx", "ann@sender.test", "dave@elsewhere.test")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            _send(site, "submission", ACCOUNT, "carol@elsewhere.test", PASSWORD + "r")
        wait_until(lambda: "250 2.0.0 taken" in site.log)
    finally:
        assert site.stop() == 0
    return site


def _send(site: RunningSite, listener: str, sender: str, recipient: str, password: str = "") -> None:
    with smtplib.SMTP("127.0.0.1", site.ports[listener], timeout=30) as client:
        if password:
            client.login(ACCOUNT, password)
        client.sendmail(sender, [recipient], MESSAGE.format(sender=sender))


def lines_of(site: RunningSite) -> list[dict[str, Any]]:
    return [json.loads(line) for line in site.log.splitlines()]


def test_objects(tmp_path: Path, sink: Sink) -> None:
    """Every line is one; the ids lead from the connection to the delivery, and the reply is what the host said."""
    lines = lines_of(use(tmp_path, sink, 'format = "json"'))

    assert all({"time", "event", "level", "source", "message"} <= line.keys() for line in lines)
    assert not any(isinstance(value, dict) for line in lines for value in line.values())
    (sent,) = [line for line in lines if line["event"] == "smtp.accepted" and line["account"] == ACCOUNT]
    (login,) = [line for line in lines if line["event"] == "auth.ok"]
    (done,) = [line for line in lines if line["event"] == "queue.delivered"]
    (refused,) = [line for line in lines if line["event"] == "smtp.refused"]
    assert login["session"] == sent["session"]
    assert done["queue_id"] == sent["queue_id"]
    assert (done["reply"], done["code"]) == ("250 2.0.0 taken", 250)
    assert sent["listener"] == "submission"
    assert refused["queue_id"] not in {"", sent["queue_id"]}


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_of_the_mail(tmp_path: Path, sink: Sink, form: str) -> None:
    """Neither a subject, a field or a text, nor a password, right or wrong, in clear or in Base64."""
    log = use(tmp_path, sink, f'format = "{form}"').log

    assert "ann@sender.test" in log
    assert [word for word in SECRETS if word.lower() in log.lower()] == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_names(tmp_path: Path, sink: Sink, form: str) -> None:
    """With addresses hashed no local part is left, each has one word all through, and another start has the same."""
    site = use(tmp_path, sink, f'format = "{form}"\naddresses = "hash"')
    log = site.log

    assert [name for name in ("ann@", "alice", "carol", "dave") if name in log] == []
    assert "@sender.test" in log
    (word,) = set(re.findall(r"~([0-9a-f]{12})@example\.org", log))
    assert (site.state / "log.secret").stat().st_mode & 0o777 == 0o600
    site.start()
    _send(site, "mx", "ann@sender.test", ACCOUNT)
    site.stop()
    assert set(re.findall(r"~([0-9a-f]{12})@example\.org", site.log)) == {word}
    assert site.log.count(word) > log.count(word)


def test_the_journal(tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it reads, each line begins with its priority, and has no time."""
    (tmp_path / "log").touch()
    status = (tmp_path / "log").stat()
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")

    lines = use(tmp_path, sink, 'format = "text"').log.splitlines()

    assert all(line.startswith(("<6>[", "<4>[")) for line in lines)
    assert any(line.startswith("<4>[") for line in lines)
