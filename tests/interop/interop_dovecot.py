"""Dovecot as a next hop that speaks LMTP, over TCP and a unix socket, with a folder of its own."""

from __future__ import annotations

import pwd
from dataclasses import dataclass
from pathlib import Path

from interop_daemons import Daemon, LoopbackNetwork, eventually
from interop_mail import Maildir
from interop_peers import MAIL_USER, folder, write

LMTP_SERVER = Path("/usr/lib/dovecot/lmtp")
LMTP_PORT = 2424
MAILBOXES = ("bob", "eve", "full")


@dataclass
class Dovecot:
    """A running Dovecot.

    Attributes:
        mail: what it delivered, by the local part of the recipient.
    """

    daemon: Daemon
    mail: dict[str, Maildir]


def lmtp_socket(root: Path) -> Path:
    """Return where its unix socket is."""
    return root / "dovecot" / "lmtp.sock"


def start_dovecot(root: Path, network: LoopbackNetwork, certificate: Path) -> Dovecot:
    """Start a Dovecot that knows `MAILBOXES`, with STARTTLS over TCP; the quota of `full` is 2 KB."""
    home = folder(root / "dovecot")
    mail = folder(home / "mail", MAIL_USER, 0o700)
    user = pwd.getpwnam(MAIL_USER)
    quota = {"full": "userdb_quota_rule=*:bytes=2000"}
    lines = [
        f"{name}:::::{mail}/{name}::{quota.get(name, '')}".replace(":::::", f"::{user.pw_uid}:{user.pw_gid}::", 1)
        for name in MAILBOXES
    ]
    users = write(home / "users", "\n".join(lines) + "\n")
    configuration = write(
        home / "dovecot.conf",
        f"""
protocols = lmtp
base_dir = {home}/base
state_dir = {home}/state
log_path = {home}/log
listen = {network.address(12)}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
mail_location = maildir:~/Maildir
mail_plugins = quota
first_valid_uid = 1
first_valid_gid = 1
auth_username_format = %n
lmtp_save_to_detail_mailbox = no
lmtp_rcpt_check_quota = no
quota_full_tempfail = no
protocol lmtp {{
  postmaster_address = postmaster@lmtp.test
  mail_plugins = quota
}}
plugin {{
  quota = maildir:box
  quota_grace = 0
}}
passdb {{
  driver = passwd-file
  args = username_format=%n {users}
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {users}
}}
service anvil {{
  chroot =
}}
service lmtp {{
  inet_listener lmtp {{
    port = {LMTP_PORT}
  }}
  unix_listener {lmtp_socket(root)} {{
    mode = 0666
  }}
}}
""",
    )
    daemon = Daemon("dovecot", ["/usr/sbin/dovecot", "-F", "-c", configuration], home / "output")
    daemon.start((network.address(12), LMTP_PORT))
    eventually(lmtp_socket(root).exists, "Dovecot makes its socket")
    return Dovecot(daemon, {name: Maildir(mail / name / "Maildir") for name in MAILBOXES})
