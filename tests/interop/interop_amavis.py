"""amavisd as Debian has it, with two rules of its own, as a content filter behind the queue."""

from __future__ import annotations

from pathlib import Path

from interop_daemons import Daemon, LoopbackNetwork
from interop_peers import folder, write

AMAVISD = Path("/usr/sbin/amavisd")
AMAVIS_USER = "amavis"
AMAVIS_PORT, BACK_PORT = 10024, 10025
FILTER_HOST, SITE_HOST = 43, 20

VIRUS = b"THIS-IS-A-VIRUS"
"""What it takes for one."""

SCANNED = "X-Virus-Scanned"


class Amavis:
    """The filter: it can be stopped and started again.

    Attributes:
        quarantine: a folder with what it kept for itself.
    """

    def __init__(self, root: Path, network: LoopbackNetwork) -> None:
        """Write its configuration.

        What holds `VIRUS` it keeps and tells ann@hosted.test of, what has an attachment `*.exe` it refuses.
        """
        home = folder(root / "amavis", AMAVIS_USER)
        self.quarantine = folder(home / "quarantine", AMAVIS_USER)
        folder(home / "tmp", AMAVIS_USER)
        self._place = (network.address(FILTER_HOST), AMAVIS_PORT)
        configuration = write(
            root / "amavisd.conf",
            f"""
use strict;
$myhostname = 'filter.example.org'; $mydomain = 'example.org';
$daemon_user = $daemon_group = '{AMAVIS_USER}';
$MYHOME = '{home}'; $TEMPBASE = "$MYHOME/tmp"; $QUARANTINEDIR = "$MYHOME/quarantine"; $ENV{{TMPDIR}} = $TEMPBASE;
$pid_file = "$MYHOME/pid"; $lock_file = "$MYHOME/lock"; $unix_socketname = undef;
$max_servers = 3; $enable_db = $enable_zmq = 0;
$DO_SYSLOG = 0; $LOGFILE = "$MYHOME/log"; $log_level = 3;
$path = '/usr/bin:/bin'; $file = 'file';
$inet_socket_bind = '{self._place[0]}'; $inet_socket_port = {AMAVIS_PORT}; @inet_acl = qw( 127.0.0.0/8 );
$forward_method = 'smtp:[{network.address(SITE_HOST)}]:{BACK_PORT}'; $notify_method = $forward_method;
@local_domains_maps = ( [ '.hosted.test' ] );
@bypass_spam_checks_maps = (1);
@av_scanners = ( [ 'words', 'grep', '-l -r {VIRUS.decode()} {{}}', [1], [0], qr/(\\S+)/ ] );
@av_scanners_backup = ();
$virus_admin = 'ann@hosted.test'; $mailfrom_notify_admin = 'filter@hosted.test';
$banned_filename_re = new_RE( qr'.\\.exe$'i );
$final_virus_destiny = D_DISCARD; $final_banned_destiny = D_REJECT; $final_bad_header_destiny = D_PASS;
$enable_dkim_verification = 0;
1;
""",
        )
        self._daemon = Daemon("amavisd", [AMAVISD, "-c", configuration, "foreground"], home / "output")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._daemon.start(self._place)

    def stop(self) -> None:
        """End it."""
        self._daemon.stop()
