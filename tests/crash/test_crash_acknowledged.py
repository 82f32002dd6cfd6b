"""The system calls of a whole server: what it has synced when the client hears 250 (strace)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from mail_sink import running_sink
from running_site import TWISTD, RunningSite, wait_until
from test_crash_syncs import syncs_returned
from typist import Typist

CALLS = "trace=fsync,fdatasync,sendto,write"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("size", [1_000, 300_000], ids=["small", "large"])
def test_the_client_hears_250_after_every_sync(tmp_path: Path, size: int) -> None:
    """Between 354 and 250 the row is synced; before it, of a large message, its file and the file's directory."""
    trace = tmp_path / "trace"
    with running_sink(answer=lambda line: "451 later" if line.startswith("MAIL") else None) as sink:
        relayed = f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
        site = RunningSite(tmp_path / "site", relayed)
        site.start(["strace", "-D", "-f", "-y", "-o", str(trace), "-e", CALLS, *TWISTD])
        try:
            with Typist(site.ports["mx"]) as typist:
                typist.reply()
                for line in ("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<ann@relayed.test>", "DATA"):
                    typist.type(line)
                assert typist.type("Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * (size // 72) + ".").startswith("250")
        finally:
            site.stop()
    wait_until(lambda: " exited with " in trace.read_text() or "+++ killed" in trace.read_text())

    calls = re.sub(r'sendto\(.*"354 .*', '"begun"', trace.read_text())
    calls = re.sub(r'sendto\(.*"250 2\.0\.0 Ok: que.*', '"acknowledged"', calls)
    returned = syncs_returned(calls, between=("begun", "acknowledged"))

    wal = str(site.state / "mta.db-wal")
    assert wal in returned
    if size > 65_536:
        (body,) = [path for path in (site.state / "bodies").rglob("*") if path.is_file()]
        last = {path: place for place, path in enumerate(returned)}  # other writes may have synced the log before
        order = [last[path] for path in (str(body), str(body.parent), wal)]
        assert order == sorted(order)
