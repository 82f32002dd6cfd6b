"""An IMAP server for clients that nobody here wrote, and accounts of it to hand out.

It is the server under test; with MTA_TEST_IMAP_PEER=dovecot a Dovecot takes
its place, to see whether a test asks for what others do as well (it has no
UTF8=ACCEPT and refuses some names of folders).
"""

from __future__ import annotations

import os
import shutil
import smtplib
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

from interop_imap_dovecot import DovecotSite
from running_site import PASSWORD, RunningSite

HOST = "localhost"
SPECIAL = {"\\Drafts": "Drafts", "\\Sent": "Sent", "\\Junk": "Junk", "\\Trash": "Trash", "\\Archive": "Archive"}
"""The folders with a special use that every account has (RFC 6154 section 2)."""
JOE = "joe@elsewhere.test"
_ACCOUNTS = 200
_AT = "tcp:0:interface=127.0.0.1"
_CLEAR = 'plaintext_login = ["127.0.0.0/8"]\n'


@dataclass(frozen=True)
class Account:
    """Whose mail is read, from where.

    Attributes:
        clear: the port where a login needs no TLS; STARTTLS is offered.
        starttls: the port where it needs STARTTLS.
        implicit: the port where TLS begins with the first octet.
        trusted: the certificate to trust.
        home: an empty folder for the client's files.
        deliver: sends it a message as other mail servers do, and returns when that is accepted.
    """

    user: str
    password: str
    clear: int
    starttls: int
    implicit: int
    trusted: Path
    home: Path
    deliver: Callable[[bytes], None]

    def context(self) -> ssl.SSLContext:
        """Return what verifies the server's certificate."""
        return ssl.create_default_context(cafile=str(self.trusted))


class ImapSite:
    """The running server; no two tests get the same account."""

    def __init__(self, site: RunningSite | DovecotSite) -> None:
        self._site = site
        self._names = count()

    def account(self) -> Account:
        """Return an account that nobody has used."""
        user = f"user{next(self._names)}@hosted.test"
        ports, home = self._site.ports, self._site.directory / user
        home.mkdir()

        def deliver(message: bytes) -> None:
            with self._site_client() as client:
                client.sendmail(JOE, [user], message)

        return Account(
            user, PASSWORD, ports["clear"], ports["strict"], ports["imaps"], self._site.certificate, home, deliver
        )

    def _site_client(self) -> smtplib.SMTP:
        ports = self._site.ports
        return smtplib.SMTP("127.0.0.1", ports["mx"]) if "mx" in ports else smtplib.LMTP("127.0.0.1", ports["lmtp"])


@contextmanager
def running_imap_site() -> Iterator[ImapSite]:
    """Run the server with its accounts; whatever it logged about its own faults fails the tests at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mta-imap-"))
    folder.chmod(0o755)
    if os.environ.get("MTA_TEST_IMAP_PEER") == "dovecot":
        dovecot = DovecotSite(folder, _passwords(folder))
        yield ImapSite(dovecot)
        dovecot.stop()
    else:
        site = _our_site(folder)
        yield ImapSite(site)
        assert site.stop() == 0
        assert "Traceback" not in site.log
    shutil.rmtree(folder)


def _our_site(folder: Path) -> RunningSite:
    listeners = "".join(
        f'[listen.{name}]\nendpoint = "{_AT}"\nrole = "{role}"\n{more}'
        for name, role, more in (
            ("mx", "mx", ""),
            ("clear", "imap", _CLEAR),
            ("strict", "imap", ""),
            ("imaps", "imap", 'tls = "implicit"\n'),
        )
    )
    site = RunningSite(folder, '[domains."hosted.test"]\nquota = "100MB"\n', listeners).start()
    site.mta("account", "import", str(_passwords(folder)))
    return site


def _passwords(folder: Path) -> Path:
    """Write a passwd-file of all accounts."""
    path, stored = folder / "passwords", sha256(PASSWORD.encode()).hexdigest()
    path.write_text("".join(f"user{number}@hosted.test:{{SHA256.HEX}}{stored}\n" for number in range(_ACCOUNTS)))
    path.chmod(0o644)
    return path
