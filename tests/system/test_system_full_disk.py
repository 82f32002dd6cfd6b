"""A server whose disk runs full: a tmpfs of its own, filled up under it."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from mail_sink import Sink, running_sink
from running_site import TWISTD, RunningSite, wait_until
from typist import Typist

MIB = 1024 * 1024
ENVELOPE = ("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<ann@relayed.test>", "DATA")


def can_mount() -> bool:
    """Whether this user may mount a tmpfs of its own."""
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def start_on_own_disk(site: RunningSite) -> Path:
    """Start the server with its state on a disk of 256 MiB; return where that disk is seen from outside."""
    site.state.mkdir(mode=0o700)
    mount = f'mount -t tmpfs -o size=256m,mode=700 none {site.state} && exec "$@"'
    site.start(["unshare", "-m", "sh", "-c", mount, "sh", *TWISTD])
    assert site.process is not None
    return Path(f"/proc/{site.process.pid}/root{site.state}")


def fill(disk: Path, leave: int) -> Path:
    """Take all but some octets of a disk; return the file that does."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        free = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - leave)
    return filler


def answer_to_mail(site: RunningSite) -> str:
    """What MAIL is answered; whatever that is, the session goes on and so does the server."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        answer = typist.type("MAIL FROM:<joe@strangers.test>")
        assert typist.type("NOOP") == "250 2.0.0 OK"
        assert typist.type("QUIT").startswith("221")
    return answer


def send(site: RunningSite, mark: str) -> None:
    """Have a message accepted."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        for line in ENVELOPE:
            assert typist.type(line)[:1] in "23"
        assert typist.type(f"Subject: {mark}\r\n\r\ntext\r\n.").startswith("250")


def count(sink: Sink, mark: str) -> int:
    """How often a message has arrived."""
    return sum(mark.encode() in message.data for message in sink.messages)


@pytest.mark.skipif(not can_mount(), reason="a tmpfs can't be mounted here")
def test_a_full_disk_refuses_and_recovers(directory: Path) -> None:
    """Below the margin MAIL is 452 4.3.1; on a full disk what was accepted is settled; then mail comes again."""
    before, after = uuid.uuid4().hex, uuid.uuid4().hex
    with running_sink(answer=lambda line: "451 4.0.0 not yet" if line.startswith("MAIL") else None) as sink:
        site = RunningSite(
            directory,
            f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
            '[queue]\nretry = ["1s"]\nretry_cap = "1s"\n',
        )
        disk = start_on_own_disk(site)
        try:
            send(site, before)
            wait_until(lambda: "451 4.0.0 not yet" in site.log)

            filler = fill(disk, leave=60 * MIB)
            wait_until(lambda: answer_to_mail(site).startswith("452 4.3.1 "))
            filler.unlink()
            filler = fill(disk, leave=0)
            sink.answer = lambda _line: None
            wait_until(lambda: " delivered ann@relayed.test" in site.log)
            assert count(sink, before) == 1
            assert answer_to_mail(site).startswith("452 4.3.1 ")

            filler.unlink()
            wait_until(lambda: answer_to_mail(site).startswith("250 "))
            send(site, after)
            wait_until(lambda: count(sink, after))
        finally:
            assert site.stop() == 0

    assert (count(sink, before), count(sink, after)) == (1, 1)
    assert "Traceback" not in site.log
