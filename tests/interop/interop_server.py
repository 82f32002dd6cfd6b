"""The server under test, as its users start it: `twistd -n mta --config FILE`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from interop_daemons import DNS_PORT, PATIENCE, SMTP_PORT, Daemon, LoopbackNetwork
from interop_dovecot import LMTP_PORT, lmtp_socket

CHECKOUT = Path(__file__).parents[2]
ENVIRONMENT = {"PYTHONPATH": f"{CHECKOUT / 'plugins'}:{CHECKOUT}"}
TWISTD = Path(sys.executable).with_name("twistd")
SUBMISSION_PORT, SUBMISSIONS_PORT = 2587, 2465
HOSTNAME = "mta.peers.test"

SITE = """
config_version = 1

[server]
hostname  = "{hostname}"
state_dir = "{home}/state"
admin     = "postmaster@sender.test"

[dns]
nameservers = ["{dns}"]
port        = {dns_port}

[tls]
certificate = "{certificate}"
key         = "{certificate}"

[domains."relayed.test"]
relay_to = "smtp://{exim}:{smtp_port}"

[domains."lmtp.test"]
relay_to = "lmtp://{dovecot}:{lmtp_port}"

[[route]]
match.to_domain = ["socket.test"]
via = "lmtp+unix:{lmtp_socket}"

[listen.mx]
endpoint = "tcp:{smtp_port}:interface={address}"
role     = "mx"

[listen.submission]
endpoint = "tcp:{submission}:interface={address}"
role     = "submission"

[listen.submissions]
endpoint = "tcp:{submissions}:interface={address}"
role     = "submission"
tls      = "implicit"

[outbound]
port           = {smtp_port}
allow_networks = ["{network}"]

[queue]
retry     = ["1s"]
retry_cap = "2s"
"""


@dataclass
class MailServer:
    """The server, its site file and its command."""

    address: str
    config: Path
    daemon: Daemon

    def start(self) -> None:
        """Start it and wait until all its ports answer."""
        self.daemon.start(*((self.address, port) for port in (SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT)))

    def command(self, *words: str, text: str = "") -> str:
        """Run `mta` with `words` and `text` as its input; return what it prints."""
        program = "from twistedmail_mta.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, "--config", str(self.config), *words],
            input=text,
            capture_output=True,
            text=True,
            env={**ENVIRONMENT, "PATH": "/usr/bin:/bin"},
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"mta {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout


def make_server(root: Path, network: LoopbackNetwork, certificate: Path) -> MailServer:
    """Write the site file; the server is not started yet."""
    home = root / "server"
    home.mkdir()
    config = home / "mta.toml"
    config.write_text(
        SITE.format(
            hostname=HOSTNAME,
            home=home,
            address=network.address(20),
            network=network.mask,
            dns=network.address(53),
            dns_port=DNS_PORT,
            exim=network.address(11),
            dovecot=network.address(12),
            lmtp_port=LMTP_PORT,
            lmtp_socket=lmtp_socket(root),
            smtp_port=SMTP_PORT,
            submission=SUBMISSION_PORT,
            submissions=SUBMISSIONS_PORT,
            certificate=certificate,
        )
    )
    command = [TWISTD, "-n", "--pidfile=", "mta", "--config", config]
    return MailServer(
        network.address(20), config, Daemon("twistd mta", command, home / "log", ENVIRONMENT, folder=home)
    )
