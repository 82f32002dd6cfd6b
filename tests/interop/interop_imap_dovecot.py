"""Dovecot in the place of the server under test: the same domain, passwords and special folders."""

from __future__ import annotations

import pwd
import socket
from datetime import UTC, datetime
from pathlib import Path

from interop_daemons import Daemon
from interop_peers import MAIL_USER, folder, write

from twistedmail_mta.tls.certificates import write_self_signed

_CONFIGURATION = """
protocols = imap lmtp
base_dir = {home}/base
state_dir = {home}/state
log_path = {home}/log
listen = 127.0.0.1
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
mail_location = sdbox:~/mail
mail_plugins = quota
mail_max_userip_connections = 100
first_valid_uid = 1
first_valid_gid = 1
auth_mechanisms = plain login
postmaster_address = postmaster@hosted.test
lmtp_add_received_header = yes
protocol imap {{
  mail_plugins = quota imap_quota
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=100M
}}
namespace inbox {{
  inbox = yes
  separator = /
{special}
}}
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = username_format=%u {passwords}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/users/%u allow_all_users=yes
}}
service anvil {{
  chroot =
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


class DovecotSite:
    """A running Dovecot; a login in clear is always allowed, since it trusts its own host."""

    def __init__(self, home: Path, passwords: Path) -> None:
        self.directory = folder(home / "clients")
        self.certificate = home / "cert.pem"
        write_self_signed(self.certificate, home / "key.pem", ["localhost"], datetime.now(tz=UTC))
        user = pwd.getpwnam(MAIL_USER)
        folder(home / "users", MAIL_USER)
        imap, imaps, lmtp = _free_ports(3)
        self.ports = {"clear": imap, "strict": imap, "imaps": imaps, "lmtp": lmtp}
        names = ("Drafts", "Sent", "Junk", "Trash", "Archive")
        special = "".join(f"  mailbox {it} {{\n    auto = subscribe\n    special_use = \\{it}\n  }}\n" for it in names)
        configuration = _CONFIGURATION.format(
            home=home,
            special=special,
            uid=user.pw_uid,
            gid=user.pw_gid,
            passwords=passwords,
            imap=imap,
            imaps=imaps,
            lmtp=lmtp,
        )
        path = write(home / "dovecot.conf", configuration)
        self._daemon = Daemon("dovecot", ["/usr/sbin/dovecot", "-F", "-c", path], home / "output")
        self._daemon.start(("127.0.0.1", imap), ("127.0.0.1", lmtp))

    def stop(self) -> None:
        """End it."""
        self._daemon.stop()


def _free_ports(number: int) -> list[int]:
    """Return ports nobody listens on; Dovecot can't say which it was given."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
