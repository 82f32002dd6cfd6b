"""Stops, crashes and restarts: what was acknowledged arrives, whatever happens between."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mail_sink import Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite, environment, wait_until
from typist import Typist

from twistedmail_mta.tls.certificates import write_self_signed

NOBODY = "nobody"


def relay_to(port: int) -> str:
    return (
        f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{port}"\nrecipients = "any"\n'
        '[queue]\nretry = ["1s"]\nretry_cap = "1s"\n'
    )


def send(site: RunningSite, mark: str) -> str:
    """Send a message to the MX listener; return the last answer."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        for line in ("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<ann@relayed.test>", "DATA"):
            typist.type(line)
        return typist.type(f"Subject: {mark}\r\n\r\ntext\r\n.")


def count(sink: Sink, mark: str) -> int:
    return sum(mark.encode() in message.data for message in sink.messages)


def test_killed_server_delivers_after_its_restart(directory: Path) -> None:
    """kill -9 after the 250; the next start delivers, once."""
    mark = uuid.uuid4().hex
    with running_sink(answer=lambda line: "451 not yet" if line.startswith("MAIL") else None) as sink:
        site = RunningSite(directory, relay_to(sink.port)).start()
        assert send(site, mark).startswith("250 2.0.0")
        site.kill()
        sink.answer = lambda _line: None

        site.start()
        wait_until(lambda: count(sink, mark))
        wait_until(lambda: site.mta("--json", "queue", "list").stdout.strip() == "[]")
        assert site.stop() == 0

    assert count(sink, mark) == 1


def test_stop_finishes_the_message_under_way(directory: Path) -> None:
    """SIGTERM: idle sessions get 421, a message under way is finished and kept."""
    mark = uuid.uuid4().hex
    with running_sink(answer=lambda line: "451 not yet" if line.startswith("MAIL") else None) as sink:
        site = RunningSite(directory, relay_to(sink.port)).start()
        with Typist(site.ports["mx"]) as idle, Typist(site.ports["mx"]) as busy:
            idle.reply()
            busy.reply()
            for line in ("EHLO me", "MAIL FROM:<>", "RCPT TO:<ann@relayed.test>", "DATA"):
                busy.type(line)
            busy.send(b"Subject: " + mark.encode())
            site.send_signal(signal.SIGTERM)
            assert idle.reply().startswith("421 4.3.2")
            assert busy.type("\r\n\r\ntext\r\n.").startswith("250 2.0.0")
            assert busy.reply().startswith("421 4.3.2")
        assert site.wait() == 0
        sink.answer = lambda _line: None

        site.start()
        wait_until(lambda: count(sink, mark))
        assert site.stop() == 0
        assert "Traceback" not in site.log

    assert count(sink, mark) == 1


def test_a_second_server_is_refused(directory: Path) -> None:
    """Two servers on one state directory would fight: the second one says so and ends."""
    site = RunningSite(directory, relay_to(9)).start()
    other = RunningSite(directory, relay_to(9))
    try:
        with pytest.raises(AssertionError, match="another server is running"):
            other.start()
        assert "Traceback" not in other.log
    finally:
        other.stop()
        assert site.stop() == 0


def test_certificates_are_reloaded(directory: Path) -> None:
    """SIGHUP makes new connections see the new certificate."""
    site = RunningSite(directory).start()
    before = certificate_of(site)
    write_self_signed(site.certificate, site.key, ["mail.example.org"], datetime.now(tz=UTC))

    site.send_signal(signal.SIGHUP)

    wait_until(lambda: certificate_of(site) != before)
    assert site.stop() == 0


def certificate_of(site: RunningSite) -> str:
    return ssl.get_server_certificate(("127.0.0.1", site.ports["submissions"]))


def test_the_queue_is_operated_while_running_and_while_stopped(directory: Path) -> None:
    """Held mail stays, released mail goes, deleted mail is gone; with a server or without."""
    held, deleted = uuid.uuid4().hex, uuid.uuid4().hex
    with running_sink(answer=lambda line: "451 not yet" if line.startswith("MAIL") else None) as sink:
        site = RunningSite(directory, relay_to(sink.port)).start()
        held_id, deleted_id = (send(site, mark).rsplit(" ", 1)[1] for mark in (held, deleted))
        site.mta("queue", "hold", held_id)
        assert held_id in site.mta("queue", "list").stdout
        assert site.stop() == 0
        site.mta("queue", "delete", deleted_id)
        assert deleted_id not in site.mta("--json", "queue", "list").stdout
        sink.answer = lambda _line: None

        site.start()
        assert "held" in site.mta("queue", "show", held_id).stdout
        site.mta("queue", "release", held_id)
        wait_until(lambda: count(sink, held))
        assert site.stop() == 0

    assert count(sink, deleted) == 0


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users can reach; every start of pytest closes the parents of its own."""
    path = Path(tempfile.mkdtemp(prefix="mta-system-"))
    path.chmod(0o755)
    yield path / "site"
    shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")
def test_privileges_are_dropped(open_directory: Path) -> None:
    """Ports are bound by root, everything else is done by the user of the site file."""
    with running_sink() as sink:
        site = RunningSite(open_directory, relay_to(sink.port))
        _share_with_nobody(site)
        if not _nobody_can_run():
            pytest.skip("this Python is for root only")
        site.start()
        assert site.process is not None
        user = pwd.getpwnam(NOBODY)
        status = Path(f"/proc/{site.process.pid}/status").read_text()
        assert f"Uid:\t{user.pw_uid}\t{user.pw_uid}\t{user.pw_uid}" in status
        site.add_account(ACCOUNT, PASSWORD)
        mark = uuid.uuid4().hex
        assert send(site, mark).startswith("250")
        wait_until(lambda: count(sink, mark))
        assert {path.stat().st_uid for path in site.state.rglob("*")} == {user.pw_uid}
        assert site.stop() == 0


def _share_with_nobody(site: RunningSite) -> None:
    text = site.config.read_text().replace("[server]\n", f'[server]\nuser = "{NOBODY}"\n', 1)
    site.config.write_text(text)
    user = pwd.getpwnam(NOBODY)
    for path in (site.directory, site.key, site.certificate):
        os.chown(path, user.pw_uid, user.pw_gid)


def _nobody_can_run() -> bool:
    """Whether Python and the packages can be read by others than root."""
    modules = "import importlib.readers, twisted, twistedmail_mta.tap"
    command = [sys.executable, "-c", modules]
    try:
        subprocess.run(command, env=environment(), user=NOBODY, capture_output=True, check=True)
    except (PermissionError, subprocess.CalledProcessError):
        return False
    return True


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads every key")
def test_a_key_that_the_user_cannot_read_is_refused(directory: Path) -> None:
    """Otherwise the next reload of the certificates would fail."""
    site = RunningSite(directory)
    _share_with_nobody(site)
    os.chown(site.key, 0, 0)
    site.key.chmod(0o600)

    with pytest.raises(AssertionError, match="can't read"):
        site.start()

    assert "Traceback" not in site.log
    site.stop()


def test_fallback_takes_what_mx_hosts_have_not(directory: Path) -> None:
    """While the DNS is silent mail waits; after the attempts it is given, the fallback gets it."""
    mark = uuid.uuid4().hex
    with running_sink() as sink:
        site = RunningSite(
            directory,
            '[domains."relayed.test"]\nrelay_to = "mx"\nrecipients = "any"\n'
            '[dns]\nnameservers = ["127.0.0.1"]\nport = 9\ntimeout = "1s"\n'
            f'[outbound.fallback]\nvia = "smtp://127.0.0.1:{sink.port}"\nafter = 2\n'
            '[queue]\nretry = ["1s"]\nretry_cap = "1s"\n',
        ).start()
        assert send(site, mark).startswith("250 2.0.0")
        wait_until(lambda: count(sink, mark))
        assert site.stop() == 0

    assert site.log.count("deferred ann@relayed.test") == 2
