"""Mail imported beside a running server that delivers and serves the same mailbox meanwhile."""

from __future__ import annotations

import poplib
import smtplib
import subprocess
import sys
from pathlib import Path

from running_site import PASSWORD, RunningSite, environment, wait_until

USER = "ann@hosted.test"
IMPORTED = 3000
LISTENERS = (
    '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\n'
    '[listen.pop3]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "pop3"\nplaintext_login = ["127.0.0.0/8"]\n'
)


def uidls(site: RunningSite) -> list[str]:
    client = poplib.POP3("127.0.0.1", site.ports["pop3"], timeout=20)
    client.user(USER)
    client.pass_(PASSWORD)
    found = [line.split()[1].decode() for line in client.uidl()[1]]
    client.quit()
    return found


def make_maildir(root: Path, first: int, last: int) -> None:
    for name in ("cur", "new", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for number in range(first, last):
        (root / "cur" / f"{number}.M1.h:2,S").write_bytes(b"Subject: %d\n\n" % number + b"line\n" * 100)
    uids = "".join(f"{number + 1} :{number}.M1.h\n" for number in range(last))
    (root / "dovecot-uidlist").write_text(f"3 V77 N{last + 1}\n{uids}")


def test_import_beside_a_server(tmp_path: Path) -> None:
    """What is sent meanwhile and what is imported are all there, each once, and POP3 calls them as before."""
    site = RunningSite(tmp_path / "site", '[domains."hosted.test"]\n', LISTENERS).start()
    site.add_account(USER, PASSWORD)
    make_maildir(tmp_path / "Maildir", 0, IMPORTED)
    old = [f"{number + 1:08x}{77:08x}" for number in range(IMPORTED)]
    sent = 0

    command = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(site.config)]
    importing = subprocess.Popen(
        [*command, "mailbox", "import", USER, str(tmp_path / "Maildir")],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=20) as client:
        while importing.poll() is None:
            client.sendmail("joe@x.test", [USER], f"Subject: sent {sent}\r\n\r\nline\r\n")
            sent += 1
            assert len(set(found := uidls(site))) == len(found)

    assert importing.returncode == 0
    assert sent > 2
    wait_until(lambda: len(uidls(site)) == IMPORTED + sent, 10)
    found = uidls(site)
    assert sorted(set(found) & set(old)) == old
    assert len(set(found)) == IMPORTED + sent
    make_maildir(tmp_path / "Maildir", IMPORTED, IMPORTED + 5)
    again = site.mta("mailbox", "import", USER, str(tmp_path / "Maildir"))
    assert again.stdout.splitlines()[1].split() == ["INBOX", str(IMPORTED + 5), "5", str(IMPORTED), str(IMPORTED + 5)]
    wait_until(lambda: len(uidls(site)) == IMPORTED + 5 + sent, 10)
    assert site.stop() == 0
    assert "Traceback" not in site.log
