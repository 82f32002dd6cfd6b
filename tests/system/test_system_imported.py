"""A site that `mta import` made, running: mail arrives, and passwords of the old server log in."""

from __future__ import annotations

import imaplib
import re
import smtplib
import ssl
from pathlib import Path

from click.testing import CliRunner
from hmailserver_dumps import BACKUP
from running_site import RunningSite

from twistedmail_mta.cli.main import mta

MAIL = b"From: x@elsewhere.example\r\nSubject: moved\r\n\r\nhi\r\n"


def test_imported_site(tmp_path: Path) -> None:
    """Mail to an alias of an hMailServer is in the mailbox that its owner opens with his old password."""
    site = RunningSite(tmp_path / "new")
    site.config.unlink()
    (tmp_path / "backup.xml").write_text(BACKUP)
    command = ["import", "hmailserver", str(tmp_path / "backup.xml"), "--dir", str(site.directory)]
    result = CliRunner().invoke(mta, command)
    assert "Accounts: 2. Aliases: 3." in result.output
    text = re.sub(r'"tcp:\d+"', '"tcp:0:interface=127.0.0.1"', site.config.read_text())
    imaps = '[listen.imaps]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "imap"\ntls = "implicit"\n'
    site.config.write_text(f"{text}\n{imaps}")

    site.start()
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=30) as client:
        client.sendmail("x@elsewhere.example", ["info@example.com"], MAIL)
    context = ssl._create_unverified_context()
    with imaplib.IMAP4_SSL("127.0.0.1", site.ports["imaps"], ssl_context=context, timeout=30) as mailbox:
        mailbox.login("office@example.org", "correct horse")
        mailbox.select("INBOX")
        found = mailbox.search(None, "SUBJECT", "moved")

    again = CliRunner().invoke(mta, command)

    assert "Accounts: 0, 2 were there. Aliases: 3." in again.output
    assert found[1] == [b"1"]
    assert site.stop() == 0
