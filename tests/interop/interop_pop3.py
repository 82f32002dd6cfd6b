"""POP3 clients that nobody here wrote; each fetches one account's mail and returns what it got.

They verify the server's certificate.  Those that store mail write LF at the
ends of lines.
"""

from __future__ import annotations

import poplib
import ssl
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from interop_daemons import PATIENCE

CURL, FETCHMAIL, MPOP = Path("/usr/bin/curl"), Path("/usr/bin/fetchmail"), Path("/usr/bin/mpop")
GETMAIL = Path(sys.executable).with_name("getmail")
HOST = "localhost"


@dataclass(frozen=True)
class Account:
    """Whose mail is fetched, from where.

    Attributes:
        starttls: the port where TLS begins with STLS.
        implicit: the port where it begins with the first octet.
        trusted: the certificate to trust.
        home: an empty folder for the client's files.
    """

    user: str
    password: str
    starttls: int
    implicit: int
    trusted: Path
    home: Path


def by_poplib(account: Account) -> list[bytes]:
    """Fetch and delete with Python's client, over TLS from the start."""
    context = ssl.create_default_context(cafile=str(account.trusted))
    client = poplib.POP3_SSL(HOST, account.implicit, context=context, timeout=PATIENCE)
    client.user(account.user)
    client.pass_(account.password)
    mails = []
    for number in range(1, client.stat()[0] + 1):
        mails.append(b"".join(line + b"\r\n" for line in client.retr(number)[1]))
        client.dele(number)
    client.quit()
    return mails


def by_poplib_stls(account: Account) -> list[bytes]:
    """Fetch and delete with Python's client, after STLS and UTF8."""
    client = poplib.POP3(HOST, account.starttls, timeout=PATIENCE)
    client.stls(ssl.create_default_context(cafile=str(account.trusted)))
    client.utf8()
    client.user(account.user)
    client.pass_(account.password)
    mails = [b"".join(line + b"\r\n" for line in client.retr(number)[1]) for number in range(1, client.stat()[0] + 1)]
    for number in range(len(mails)):
        client.dele(number + 1)
    client.quit()
    return mails


def by_curl(account: Account) -> list[bytes]:
    """Fetch over STLS, delete over TLS from the start, each in a session of its own, with both mechanisms."""
    starttls = f"pop3://{HOST}:{account.starttls}/"
    implicit = f"pop3s://{HOST}:{account.implicit}/"
    listed = _curl(account, starttls, "--ssl-reqd", "--login-options", "AUTH=PLAIN", "--sasl-ir")
    numbers = [line.split()[0].decode() for line in listed.splitlines()]
    mails = [_curl(account, starttls + number, "--ssl-reqd") for number in numbers]
    for number in reversed(numbers):
        _curl(account, implicit + number, "--login-options", "AUTH=LOGIN", "--request", "DELE", "--head")
    return mails


def _curl(account: Account, url: str, *options: str) -> bytes:
    login = ["--user", f"{account.user}:{account.password}", "--cacert", str(account.trusted)]
    return _run([CURL, "--silent", "--show-error", "--disable", *login, *options, url])


def by_fetchmail(account: Account) -> list[bytes]:
    """Fetch and delete over STLS, handing each message to a command."""
    box = account.home / "mail"
    box.mkdir()
    take = account.home / "take"
    take.write_text(f'#!/bin/sh\nexec cat >"$(mktemp {box}/$(date +%s%N)-XXXXXX)"\n')
    take.chmod(0o700)
    settings = _secret(
        account.home / "fetchmailrc",
        "set invisible\n"
        f'poll {HOST} protocol pop3 service {account.starttls} user "{account.user}" password "{account.password}"\n'
        f' sslproto "tls1.2+" sslcertck sslcertfile "{account.trusted}" mda "{take}" fetchall no keep no rewrite\n',
    )
    _run([FETCHMAIL, "--fetchmailrc", settings, "--nodetach", "--nosyslog"], HOME=str(account.home))
    return _mails(box)


def by_getmail(account: Account) -> list[bytes]:
    """Fetch and delete over TLS from the start, into a Maildir."""
    box = _maildir(account.home, "nobody")
    _secret(
        account.home / "getmailrc",
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = {HOST}\nport = {account.implicit}\n"
        f"username = {account.user}\npassword = {account.password}\nca_certs = {account.trusted}\n"
        f"[destination]\ntype = Maildir\npath = {box}/\nuser = nobody\n"
        "[options]\ndelete = true\ndelivered_to = false\nreceived = false\nverbose = 0\n",
    )
    _run([GETMAIL, f"--getmaildir={account.home}"])
    return _mails(box / "new")


def by_mpop(account: Account) -> list[bytes]:
    """Fetch and delete over STLS, pipelining, into a Maildir."""
    box = _maildir(account.home)
    settings = _secret(
        account.home / "mpoprc",
        f"account it\nhost {HOST}\nport {account.starttls}\nuser {account.user}\nauth plain\n"
        f'passwordeval "echo {account.password}"\ntls on\ntls_starttls on\ntls_trust_file {account.trusted}\n'
        f"uidls_file {account.home}/uidls\ndelivery maildir {box}\nkeep off\npipelining on\nreceived_header off\n",
    )
    _run([MPOP, "-C", settings, "--quiet", "it"])
    return _mails(box / "new")


CLIENTS: dict[str, Callable[[Account], list[bytes]]] = {
    "poplib": by_poplib,
    "poplib-stls-utf8": by_poplib_stls,
    "curl": by_curl,
    "fetchmail": by_fetchmail,
    "getmail": by_getmail,
    "mpop": by_mpop,
}
PROGRAMS = (CURL, FETCHMAIL, MPOP, GETMAIL)


def _secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def _maildir(home: Path, owner: str | None = None) -> Path:
    box = home / "maildir"
    for folder in ("cur", "new", "tmp"):
        (box / folder).mkdir(parents=True)
    if owner is not None:
        _run(["chown", "-R", owner, box])
        for folder in (box, *box.parents[:3]):
            folder.chmod(folder.stat().st_mode | 0o055)
    return box


def _mails(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def _run(command: list[str | Path], **environment: str) -> bytes:
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
    )
    assert done.returncode == 0, (done.stdout[-2000:] + done.stderr[-2000:]).decode(errors="replace")
    return done.stdout
