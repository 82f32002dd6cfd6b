"""The peers: knot, Postfix, Exim and OpenSMTPD, each with a configuration and folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from interop_daemons import DNS_PORT, SMTP_PORT, Daemon, LoopbackNetwork
from interop_mail import Maildir

EXIM_FOLDER = Path(os.environ.get("MTA_TEST_EXIM", "/var/cache/mta-tests/exim"))
EXIM = EXIM_FOLDER / "usr/sbin/exim4"
OPENSMTPD_FOLDER = Path(os.environ.get("MTA_TEST_OPENSMTPD", "/var/cache/mta-tests/opensmtpd"))
OPENSMTPD = OPENSMTPD_FOLDER / "usr/sbin/smtpd"
MAIL_USER = "nobody"
EXIM_USER = "Debian-exim"


def folder(path: Path, owner: str | None = None, mode: int = 0o755) -> Path:
    """Make a folder that daemons of other users can reach."""
    path.mkdir(parents=True)
    path.chmod(mode)
    if owner is not None:
        shutil.chown(path, owner, pwd.getpwnam(owner).pw_gid)
    return path


def write(path: Path, text: str) -> Path:
    """Write a file that daemons of other users can read."""
    path.write_text(text)
    path.chmod(0o644)
    return path


def zone_file(name: str, address: str, text: str, serial: int = 1) -> str:
    """Return a zone with the records that each needs; its name server is at `address`."""
    head = f"$ORIGIN {name}.\n$TTL 60\n@ SOA ns.{name}. root.{name}. {serial} 3600 900 604800 60\n@ NS ns.{name}.\n"
    return f"{head}ns A {address}\n{text}\n"


def start_knot(root: Path, network: LoopbackNetwork, zones: Mapping[str, str | None], host: int = 53) -> Daemon:
    """Start a name server for `zones`, whose text is without the SOA and NS records; None makes a broken one."""
    home, address = folder(root / "knot"), network.address(host)
    for name, text in zones.items():
        if text is not None:
            write(home / f"{name}.zone", zone_file(name, address, text))
    listed = "".join(f"  - domain: {name}\n    file: {name}.zone\n" for name in zones)
    configuration = write(
        home / "knot.conf",
        f"""
server:
    rundir: {home}
    listen: [ {address}@{DNS_PORT}, {address}@53 ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {home}/db
template:
  - id: default
    storage: {home}
    semantic-checks: off
    journal-content: none
zone:
{listed}
""",
    )
    daemon = Daemon("knot", ["/usr/sbin/knotd", "-c", configuration], home / "log")
    daemon.start((address, DNS_PORT))
    return daemon


@dataclass
class Peer:
    """A mail server that stores what it accepts.

    Attributes:
        address: where it listens, on `SMTP_PORT`.
        host: its name.
        mail: what it delivered.
        log: its own log file.
    """

    daemon: Daemon
    address: str
    host: str
    mail: Maildir
    log: Path

    def logged(self) -> str:
        """Return its log so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


def start_postfix(
    root: Path,
    network: LoopbackNetwork,
    certificate: Path,
    *,
    domains: str,
    relayed: str,
    ways: Mapping[str, str],
    host: int = 10,
    more: str = "",
) -> Peer:
    """Start a Postfix that delivers `domains`, and sends `relayed` to host 20 of the network.

    The domains of `ways` go where these say, as Postfix writes it.
    Recipients whose local part is `nobody` are refused with 550.
    It is host 10 of the network or another; `more` are further lines of its master.cf.
    """
    home = folder(root / f"postfix-{host}")
    folder(home / "data", "postfix", 0o700)
    folder(home / "queue")
    mail = folder(home / "mail", MAIL_USER, 0o755)
    user = pwd.getpwnam(MAIL_USER)
    ways = {relayed: f"smtp:[{network.address(20)}]:{SMTP_PORT}", **ways}
    write(
        home / "main.cf",
        f"""
compatibility_level = 3.6
myhostname = postfix.peers.test
mydestination =
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access regexp:{home}/recipients, permit_mynetworks, reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = {certificate}
smtpd_tls_received_header = yes
smtpd_tls_session_cache_database =
smtp_tls_security_level = may
smtp_dns_support_level = disabled
smtp_host_lookup = native
minimal_backoff_time = 2s
queue_run_delay = 2s
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {home}
virtual_mailbox_maps = static:mail/
virtual_minimum_uid = 100
virtual_uid_maps = static:{user.pw_uid}
virtual_gid_maps = static:{user.pw_gid}
virtual_mailbox_limit = 0
message_size_limit = 52428800
transport_maps = inline:{{ {", ".join(f"{{ {domain} = {way} }}" for domain, way in ways.items())} }}
""",
    )
    write(home / "recipients", "/^nobody@/ 550 5.1.1 there is nobody here\n")
    services = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 2 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
    write(home / "master.cf", f"{network.address(host)}:{SMTP_PORT} inet n - n - - smtpd\n{more}{services.lstrip()}")
    postfix = ["/usr/sbin/postfix", "-c", home]
    daemon = Daemon("postfix", [*postfix, "start-fg"], home / "output", stop_command=[*postfix, "stop"])
    daemon.start((network.address(host), SMTP_PORT))
    return Peer(daemon, network.address(host), "postfix.peers.test", Maildir(mail), home / "mail.log")


def start_exim(root: Path, network: LoopbackNetwork, certificate: Path, domains: str, grey: str) -> Peer:
    """Start an Exim that delivers `domains`, and answers the first RCPT for the domain `grey` with 450.

    Recipients whose local part is `nobody` are refused with 550.
    """
    home = folder(root / "exim", EXIM_USER)
    for name in ("spool", "log", "mail", "grey"):
        folder(home / name, EXIM_USER, 0o755)
    configuration = write(
        home / "exim.conf",
        f"""
primary_hostname = exim.peers.test
exim_path = {EXIM}
deliver_drop_privilege
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
pid_file_path = {home}/exim.pid
local_interfaces = {network.address(11)}
daemon_smtp_ports = {SMTP_PORT}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {certificate}
log_selector = +tls_cipher +received_recipients
host_lookup =
rfc1413_query_timeout = 0s
smtp_enforce_sync = true
message_size_limit = 50M
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data
begin acl
check_rcpt:
  deny
    local_parts = nobody
    message = 5.1.1 there is nobody here
  defer
    domains = {grey}
    condition = ${{if exists{{{home}/grey/seen}}{{no}}{{yes}}}}
    condition = ${{run{{/usr/bin/touch {home}/grey/seen}}{{yes}}{{yes}}}}
    message = 4.7.1 come back later
  accept
    domains = {domains} : {grey}
  deny
    message = 5.7.1 no relaying
check_data:
  accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = {home}/mail
  maildir_format
  create_directory
""",
    )
    daemon = Daemon("exim", [EXIM, "-C", configuration, "-bdf", "-q5s"], home / "output")
    daemon.start((network.address(11), SMTP_PORT))
    return Peer(daemon, network.address(11), "exim.peers.test", Maildir(home / "mail"), home / "log" / "mainlog")


def start_opensmtpd(root: Path, network: LoopbackNetwork, domain: str) -> Peer:
    """Start an OpenSMTPD that delivers `domain` to `bob` and refuses everybody else there for good.

    It speaks no TLS: Debian's, of version 6.8.0, fails in the handshake.  Its
    spool and the resolver's configuration have fixed places, so it sees a
    file system with its own there.
    """
    home = folder(root / "opensmtpd")
    mail = folder(home / "mail", MAIL_USER)
    spool = folder(home / "spool", mode=0o711)
    folder(spool / "offline", mode=0o770)
    shutil.chown(spool / "offline", group="opensmtpq")
    for name in ("incoming", "purge", "queue", "temporary", "corrupt"):
        shutil.chown(folder(spool / name, "opensmtpq", 0o700), group="root")
    resolver = write(home / "resolv.conf", f"nameserver {network.address(53)}\n")
    configuration = write(
        home / "smtpd.conf",
        f"""
table users {{ "bob@{domain}" = "{MAIL_USER}" }}
smtp max-message-size 50M
listen on {network.address(13)} port {SMTP_PORT} hostname opensmtpd.peers.test
action "deliver" maildir "{mail}" virtual <users>
match from any for domain "{domain}" action "deliver"
""",
    )
    script = 'mount --bind "$0" /var/spool/smtpd && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
    smtpd = [OPENSMTPD, "-d", "-f", configuration]
    command = ["unshare", "--mount", "sh", "-c", script, spool, resolver, *smtpd]
    daemon = Daemon("opensmtpd", command, home / "output")
    daemon.start((network.address(13), SMTP_PORT))
    return Peer(daemon, network.address(13), "opensmtpd.peers.test", Maildir(mail), home / "output")
