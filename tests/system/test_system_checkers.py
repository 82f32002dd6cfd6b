"""Logins judged by what the site file names."""

from __future__ import annotations

import os
import signal
import smtplib
from pathlib import Path

import pytest
import pytest_twisted
from ldap_directory import BASE, DirectoryFactory, tree
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until
from twisted.internet.threads import deferToThread


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

    with pytest.raises(AssertionError, match=r"checker\[0\]\.path: there is no file .*users"):
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


@pytest_twisted.ensureDeferred
async def test_passwords_of_a_directory(tmp_path: Path) -> None:
    """A bind lets in, a refused one doesn't, and a directory that is down puts everybody off but those just let in."""
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    factory = DirectoryFactory(tree({"alice": (ACCOUNT, PASSWORD)}))
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    url = f"ldap://127.0.0.1:{port.getHost().port}"
    site = RunningSite(
        tmp_path,
        f'[[checker]]\nuse = "ldap"\nurl = "{url}"\ntls = "none"\nbase = "{BASE}"\nfilter = "(mail={{address}})"\n',
    )
    site.start()
    site.mta("account", "add", ACCOUNT, "--external")

    assert await deferToThread(answer, site, PASSWORD) == 235
    assert await deferToThread(answer, site, "wrong") == 535
    await port.stopListening()
    assert await deferToThread(answer, site, "another") == 454
    assert await deferToThread(answer, site, PASSWORD) == 235
    assert await deferToThread(site.stop) == 0
    assert "can't judge logins: Connection was refused" in site.log
    assert "Traceback" not in site.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a service of PAM")
def test_passwords_of_pam(tmp_path: Path) -> None:
    """The system's PAM is asked with what stands before the @."""
    service = Path("/etc/pam.d") / f"mta-test-{os.getpid()}"
    script = tmp_path / "check"
    script.write_text("#!/bin/sh\n[ \"$PAM_USER\" = alice ] && [ \"$(tr -d '\\0')\" = 'correct horse' ]\n")
    script.chmod(0o755)
    service.parent.mkdir(exist_ok=True)
    service.write_text(
        f"auth [success=1 default=ignore] pam_exec.so expose_authtok quiet {script}\n"
        "auth requisite pam_deny.so\nauth required pam_permit.so\naccount required pam_permit.so\n"
    )
    try:
        site = RunningSite(
            tmp_path / "site",
            f'[[checker]]\nuse = "pam"\nservice = "{service.name}"\nuser = "local"\ndomains = ["example.org"]\n',
        )
        site.start()
        site.mta("account", "add", ACCOUNT, "--external")
        assert answer(site, PASSWORD) == 235
        assert answer(site, "wrong") == 535
        assert site.stop() == 0
    finally:
        service.unlink()
