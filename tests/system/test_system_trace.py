"""What the real server notes of mail, and `mta trace` finds: while it runs, after it stopped, after it was killed."""

from __future__ import annotations

import json
import re
import signal
import socket
import uuid
from pathlib import Path
from typing import Any

import apsw
import pytest
from mail_sink import running_sink
from running_site import PASSWORD, RunningSite, wait_until
from typist import Typist

BOB = "bob@example.org"
TABLES = '[domains."example.org"]\n[queue]\nretry = ["1s"]\nretry_cap = "1s"\n'


def to_sink(port: int) -> str:
    return f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{port}"\n'


def talk(site: RunningSite, *lines: str, listener: str = "mx", tls: bool = False) -> str:
    """Say lines to a listener; return the last answer."""
    with Typist(site.ports[listener]) as typist:
        typist.reply()
        answer = typist.type("EHLO me.test")
        if tls:
            typist.type("STARTTLS")
            typist.start_tls()
            typist.type("EHLO me.test")
        for line in lines:
            answer = typist.type(line)
        return answer


def send(site: RunningSite, mark: str, *recipients: str) -> str:
    """Send a message to the MX listener over TLS; return its id."""
    named = [f"RCPT TO:<{each}>" for each in recipients]
    text = f"Message-ID: <{mark}@sender.test>\r\n\r\ntext\r\n."
    answer = talk(site, "MAIL FROM:<ann@sender.test>", *named, "DATA", text, tls=True)
    assert answer.startswith("250"), answer
    return answer.split()[-1]


def traced(site: RunningSite, *words: str) -> list[dict[str, Any]]:
    result = site.mta("trace", *words, "--json", check=False)
    found: list[dict[str, Any]] = json.loads(result.stdout)["messages"]
    assert result.returncode == (0 if found else 1)
    return found


def texts(message: dict[str, Any]) -> str:
    return "\n".join(event["text"] for event in message["timeline"])


@pytest.fixture
def site(directory: Path) -> RunningSite:
    return RunningSite(directory, TABLES)


def test_a_life_from_connection_to_mailbox(site: RunningSite) -> None:
    """While the server runs, and after it has stopped, the same: TLS, refusals, the mailbox with the UID."""
    site.start()
    site.add_account(BOB, PASSWORD)
    mark = uuid.uuid4().hex
    name = send(site, mark, BOB, "nobody@example.org", "joe@gmail.test")
    running = traced(site, f"<{mark}@sender.test>")
    assert site.stop() == 0

    assert traced(site, name) == running
    (message,) = running
    assert message["filed"] == [{"recipient": BOB, "mailbox": "INBOX", "uid": 1}]
    assert message["tls"].startswith("TLSv1.")
    assert "Recipient <nobody@example.org> was refused: 550 5.1.1" in texts(message)
    assert "Recipient <joe@gmail.test> was refused: 550 5.7.1 Relaying denied" in texts(message)
    for words in (["--from", "ann@sender.test"], ["--to", BOB], ["joe@gmail.test"], ["--domain", "sender.test"]):
        assert traced(site, *words) == running


def test_attempts_an_operator_and_a_report(directory: Path) -> None:
    """Every attempt with the other's own words; what the operator did; the report, and what became of that."""
    with running_sink(answer=lambda line: "450 4.2.1 come later" if line.startswith("RCPT") else None) as sink:
        site = RunningSite(directory, TABLES + to_sink(sink.port)).start()
        site.add_account(BOB, PASSWORD)
        mail = ("MAIL FROM:<bob@example.org>", "RCPT TO:<cleo@far.test>", "DATA", "Subject: hi\r\n\r\ntext\r\n.")
        login = "AUTH PLAIN AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl"
        name = talk(site, login, *mail, listener="submission", tls=True).split()[-1]
        wait_until(lambda: any(step["attempt"] == 2 for step in traced(site, name)[0]["steps"]))
        site.mta("queue", "bounce", name)
        wait_until(lambda: traced(site, name)[0]["steps"][-1]["kind"] == "told")
        (message,) = traced(site, name)
        (report_id,) = message["steps"][-1]["extra"]
        reports = [each for each in traced(site, "--from", "<>") if each["outcome"] == "own"]
        assert site.stop() == 0

    assert report_id
    assert (message["account"], message["mechanism"]) == (BOB, "PLAIN")
    first = message["steps"][0]
    assert (first["kind"], first["recipient"], first["hop"]) == (
        "deferred",
        "cleo@far.test",
        f"smtp://127.0.0.1:{sink.port}",
    )
    assert first["reply"] == "450 4.2.1 come later"
    assert "Operator: bounce (1 recipient)." in texts(message)
    (report,) = reports
    assert report["about"] == name
    assert "This host wrote it, about" in texts(report)
    assert any("Delivered into INBOX of <bob@example.org>" in event["text"] for event in report["timeline"])
    assert traced(site, "--outcome", "bounced") == [message]


def test_an_act_while_no_server_runs(directory: Path) -> None:
    """Commands note what they do by themselves."""
    with running_sink(answer=lambda line: "450 4.2.1 come later" if line.startswith("RCPT") else None) as sink:
        settings = TABLES + '[domains."far.test"]\nrecipients = "any"\n'
        site = RunningSite(directory, settings + f'relay_to = "smtp://127.0.0.1:{sink.port}"\n').start()
        name = send(site, uuid.uuid4().hex, "cleo@far.test")
        wait_until(lambda: traced(site, name)[0]["steps"])
        assert site.stop() == 0
    site.mta("queue", "delete", name)
    (message,) = traced(site, name)
    assert "Operator: delete (1 recipient)." in texts(message)
    assert traced(site, "--outcome", "deleted") == [message]


def test_tls_that_fails(site: RunningSite) -> None:
    """A client that can't speak it is found by its address, with what was wrong."""
    site.start()
    with socket.create_connection((site.host, site.ports["submissions"]), 20) as client:
        client.sendall(b"EHLO me.test\r\n" * 10)
        while client.recv(1000):
            pass
    wait_until(lambda: traced(site, "127.0.0.1"))
    (attempt,) = traced(site, "127.0.0.1")
    assert site.stop() == 0
    assert (attempt["command"], attempt["listener"], attempt["tls"]) == ("TLS", "submissions", "")
    assert "Refused at TLS: " in texts(attempt)


def test_a_suspension(directory: Path) -> None:
    """What waits for the end of it is told, and that it goes on."""
    with running_sink() as sink:
        settings = TABLES + '[domains."far.test"]\nrecipients = "any"\n'
        site = RunningSite(directory, settings + f'relay_to = "smtp://127.0.0.1:{sink.port}"\n').start()
        site.mta("queue", "suspend", "--domain", "far.test")
        name = send(site, uuid.uuid4().hex, "cleo@far.test")
        wait_until(lambda: traced(site, name)[0]["steps"])
        site.mta("queue", "resume", "--domain", "far.test")
        wait_until(lambda: traced(site, name)[0]["steps"][-1]["kind"] == "delivered")
        assert site.stop() == 0

    said = texts(traced(site, name)[0])
    assert "<cleo@far.test> waits until a suspension ends.\nOperator: resume (1 recipient).\nAttempt 1 for" in said


def test_killed(site: RunningSite) -> None:
    """kill -9: no mail is lost, the history is sound, and lacks the last second at most; the next start goes on."""
    site.start()
    site.add_account(BOB, PASSWORD)
    early = [send(site, uuid.uuid4().hex, BOB) for _ in range(20)]
    traced(site, early[-1])  # which has it written
    late = [send(site, uuid.uuid4().hex, BOB) for _ in range(20)]
    site.kill()

    database = apsw.Connection(str(site.state / "history.db"))
    assert list(database.execute("PRAGMA integrity_check")) == [("ok",)]
    database.close()
    site.start()
    known = {message["id"] for message in traced(site, "--limit", "100")}
    assert set(early) <= known <= {*early, *late}
    assert traced(site, send(site, uuid.uuid4().hex, BOB))
    assert json.loads(site.mta("account", "show", BOB, "--json").stdout)["messages"] == 41
    assert site.stop() == 0


def test_a_file_that_cannot_be_written(site: RunningSite) -> None:
    """Mail goes on without a history, and the log says so."""
    site.state.mkdir(mode=0o700)
    (site.state / "history.db").mkdir()
    site.start()
    site.add_account(BOB, PASSWORD)
    send(site, uuid.uuid4().hex, BOB)
    wait_until(lambda: "the history can't be written" in site.log)
    send(site, uuid.uuid4().hex, BOB)
    assert site.stop() == 0
    assert "Traceback" not in site.log


def test_a_reload_turns_it_off_and_on(site: RunningSite) -> None:
    """[history] counts at once; what was noted stays."""
    site.config.write_text(site.config.read_text() + "[history]\nenabled = true\n")
    site.start()
    site.add_account(BOB, PASSWORD)
    first = send(site, uuid.uuid4().hex, BOB)
    found = [first]
    for setting in ("false", "true"):
        site.config.write_text(re.sub(r"enabled = \w+", f"enabled = {setting}", site.config.read_text()))
        assert "history.enabled" in site.mta("reload", "--json").stdout
        name = send(site, uuid.uuid4().hex, BOB)
        if setting == "true":
            found.insert(0, name)
    assert [message["id"] for message in traced(site)] == found
    assert site.stop(signal.SIGTERM) == 0
