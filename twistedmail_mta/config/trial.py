"""The trial site: what runs when there is no site file, safe because it is loopback only."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.load import find_site_file, parse_site, read_site
from twistedmail_mta.config.site import Site
from twistedmail_mta.private_file import write_private

ACCOUNT: Final = "demo@localhost"
NAMES: Final = ("localhost", "127.0.0.1", "::1")
PASSWORD_FILE: Final = "demo-password"  # noqa: S105 - the name of a file
SINK: Final = "127.0.0.1:1025"

TEXT: Final = f"""\
config_version = 1

[server]
hostname  = "localhost"
state_dir = "mta-state"
admin     = "{ACCOUNT}"

[tls]
certificate = "mta-state/trial-certificate.pem"
key         = "mta-state/trial-key.pem"

[domains.localhost]

[listen.mx]
endpoint = "tcp:2525:interface=127.0.0.1"
role     = "mx"

[listen.submission]
endpoint = "tcp:2587:interface=127.0.0.1"
role     = "submission"
plaintext_login = ["127.0.0.0/8", "::1"]

[listen.submissions]
endpoint = "tcp:2465:interface=127.0.0.1"
role     = "submission"
tls      = "implicit"

[listen.pop3]
endpoint = "tcp:2110:interface=127.0.0.1"
role     = "pop3"
plaintext_login = ["127.0.0.0/8", "::1"]

[listen.pop3s]
endpoint = "tcp:2995:interface=127.0.0.1"
role     = "pop3"
tls      = "implicit"

[listen.imap]
endpoint = "tcp:2143:interface=127.0.0.1"
role     = "imap"
plaintext_login = ["127.0.0.0/8", "::1"]

[listen.imaps]
endpoint = "tcp:2993:interface=127.0.0.1"
role     = "imap"
tls      = "implicit"

[[route]]
match = {{}}
via   = "smtp://{SINK}"
"""

_ROLES: Final = {
    "mx": "MX: mail from other servers",
    "submission": f"submission: mail of {ACCOUNT}",
    "pop3": f"POP3: mail for {ACCOUNT}",
    "imap": f"IMAP: mailboxes of {ACCOUNT}",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What the trial site has beside its site file.

    Attributes:
        password: of the account `demo@localhost`.
        first_start: it was made just now.
    """

    password: str
    first_start: bool


def trial_site(folder: Path) -> Site:
    """Return the trial site with its state in `folder`/mta-state."""
    return parse_site(TEXT, folder, "the trial site")


def open_trial(state_dir: Path) -> Trial:
    """Make the state directory and the password, unless an earlier start did.

    Raises:
        OSError: the directory can't be written.
    """
    state_dir.mkdir(mode=0o700, exist_ok=True)
    path = state_dir / PASSWORD_FILE
    if path.exists():
        return Trial(path.read_text(encoding="ascii").strip(), first_start=False)
    password = secrets.token_urlsafe(9)
    write_private(path, f"{password}\n".encode("ascii"))
    return Trial(password, first_start=True)


def welcome(site: Site, trial: Trial) -> str:
    """Return the first lines on the screen: what listens where, and how to send a first message."""
    state_dir = site.server.state_dir
    listeners = "\n".join(f"  {_place(site, name):<18}{_about(site, name)}" for name in site.listen)
    password = trial.password if trial.first_start else f"in {state_dir / PASSWORD_FILE}"
    return f"""\
No site file found, so this is the trial site: for this machine only.
{listeners}
State: {state_dir}    Account: {ACCOUNT}    Password: {password}
Send a first message with curl (it asks for the password; then type a text and end it with Ctrl-D), and read it:
  curl -k --ssl-reqd smtp://127.0.0.1:2587 -u {ACCOUNT} --mail-from {ACCOUNT} --mail-rcpt {ACCOUNT} -T -
  curl -k --ssl-reqd pop3://127.0.0.1:2110/1 -u {ACCOUNT}
  curl -k --ssl-reqd 'imap://127.0.0.1:2143/INBOX;MAILINDEX=1' -u {ACCOUNT}
Mail to other addresses goes to {SINK} and never to the world; until an SMTP server listens there
it waits: see it with `mta queue list`.  For more: mta quickstart --help."""


def _place(site: Site, name: str) -> str:
    return ", ".join(parse_endpoint(text).place for text in site.listen[name].endpoint)


def _about(site: Site, name: str) -> str:
    listener = site.listen[name]
    how = {"starttls": "STARTTLS offered", "implicit": "TLS from the start"}[listener.tls]
    return f"{_ROLES[listener.role]}; {how}"


@dataclass(frozen=True, slots=True)
class ChosenSite:
    """The site that a program works on.

    Attributes:
        site: what the site file says.
        source: the file; None for the trial site.
    """

    site: Site
    source: Path | None

    @property
    def is_trial(self) -> bool:
        """Whether there was no site file."""
        return self.source is None


def choose_site(option: str | None, environment: Mapping[str, str], folder: Path) -> ChosenSite:
    """Find and read the site file, or take the trial site; arguments as `find_site_file`.

    Raises:
        ConfigError: there is a file and it can't be used.
    """
    source = find_site_file(option, environment, folder)
    return ChosenSite(trial_site(folder) if source is None else read_site(source), source)
