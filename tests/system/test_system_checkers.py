"""Logins judged by what the site file names."""

from __future__ import annotations

import signal
import smtplib
from pathlib import Path

import pytest
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until


def answer(site: RunningSite, password: str) -> int:
    """Log in; return the code of the answer."""
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
        try:
            return client.login(ACCOUNT, password)[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code


def test_passwords_of_a_file(tmp_path: Path) -> None:
    """The file judges the names it knows, the database the others; SIGHUP reads it again."""
    users = tmp_path / "users"
    users.write_text(f"{ACCOUNT}:{{PLAIN}}from the file\nnonsense\n")
    site = RunningSite(
        tmp_path / "site",
        f'[[checker]]\nuse = "passwd-file"\npath = "{users}"\n[[checker]]\nuse = "internal"\n',
    )
    site.start()
    site.add_account(ACCOUNT, PASSWORD)
    assert "line 2: has no password" in site.log

    assert answer(site, "from the file") == 235
    assert answer(site, PASSWORD) == 535

    users.write_text("")
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
        client.login(ACCOUNT, "from the file")
        site.send_signal(signal.SIGHUP)
        assert client.getreply()[0] == 421
        client.close()
    wait_until(lambda: "read again: 0 names" in site.log)
    assert answer(site, "from the file") == 535
    assert answer(site, PASSWORD) == 235
    assert site.stop() == 0
    assert "Traceback" not in site.log


def test_account_of_another_checker(tmp_path: Path) -> None:
    """An account without a password of ours gets in by the file's, and by nothing before it is in the file."""
    users = tmp_path / "users"
    users.write_text("# nobody yet\n")
    tables = f'[[checker]]\nuse = "internal"\n[[checker]]\nuse = "passwd-file"\npath = "{users}"\n'
    site = RunningSite(tmp_path / "site", tables).start()
    site.mta("account", "add", ACCOUNT, "--external")
    assert answer(site, "moved") == 535

    users.write_text(f"{ACCOUNT}:{{PLAIN.b64}}bW92ZWQ=\n")
    site.send_signal(signal.SIGHUP)
    wait_until(lambda: "read again: 1 names" in site.log)

    assert answer(site, "moved") == 235
    assert answer(site, "other") == 535
    assert site.stop() == 0
    assert "Traceback" not in site.log


def test_file_that_is_missing(tmp_path: Path) -> None:
    """A server whose people couldn't log in doesn't start, and says why."""
    site = RunningSite(tmp_path, '[[checker]]\nuse = "passwd-file"\npath = "users"\n')

    with pytest.raises(AssertionError, match=r"checker\[0\]\.path: .* can't read .*users"):
        site.start()


def test_new_password_ends_sessions(tmp_path: Path) -> None:
    """A session that was let in by the old password is told and ended, without having said a word; others go on."""
    site = RunningSite(tmp_path)
    site.start()
    site.add_account(ACCOUNT, PASSWORD)
    site.add_account("bob@example.org", PASSWORD)
    with (
        smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as bob,
        smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client,
    ):
        bob.login("bob@example.org", PASSWORD)
        client.login(ACCOUNT, PASSWORD)

        site.mta("account", "password", ACCOUNT, "--password-stdin", stdin="another\n")

        assert client.getreply() == (421, b"4.7.0 Your login has ended: please log in again")
        client.close()
        assert bob.noop()[0] == 250
    assert answer(site, PASSWORD) == 535
    assert answer(site, "another") == 235
    assert site.stop() == 0
    assert "Traceback" not in site.log
