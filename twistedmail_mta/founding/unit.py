"""The systemd unit of the server: no root at any time, and nothing of the system that it doesn't need."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Final

_STATE: Final = Path("/var/lib/mta")
"""What `StateDirectory=mta` makes."""

_TEXT: Final = Template("""\
# A systemd unit for `twistd mta`, installed in $prefix (python3 -m venv $prefix; $prefix/bin/pip install .).
# It is never root: systemd lets the user bind ports below 1024, and makes the state directory.  The site file, the
# certificate and its key must be readable for that user; `mta check` tells, and says how.
[Unit]
Description=Mail server
Documentation=https://docs.twisted.org/en/stable/core/howto/basics.html
After=network-online.target nss-lookup.target
Wants=network-online.target

[Service]
ExecStartPre=$prefix/bin/mta --config $site_file check --offline
ExecStart=$prefix/bin/twistd --nodaemon --pidfile= mta --config $site_file
ExecReload=$prefix/bin/mta --config $site_file reload
Restart=on-failure
RestartSec=5s
# Sessions are given ten seconds to finish at a stop, and the queue its last writes.
TimeoutStopSec=60s
LimitNOFILE=65536
WorkingDirectory=/

User=$user
# Without a user of its own: DynamicUser=yes here, no `user` in the site file, and credentials for what it can't read.
#DynamicUser=yes
# A key that only root can read: key = "credential:key.pem" in the site file.
#LoadCredential=key.pem:/etc/mta/tls/key.pem
$state

AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
""")


def unit_text(prefix: Path, site_file: Path, state_dir: Path, user: str) -> str:
    """Return the text of the unit.

    Args:
        prefix: the virtual environment that the server is installed in.
        site_file: of the site.
        state_dir: of the site.
        user: whom the server runs as.
    """
    state = "StateDirectory=mta\nStateDirectoryMode=0700" if state_dir == _STATE else f"ReadWritePaths={state_dir}"
    return _TEXT.substitute(prefix=prefix, site_file=site_file, state=state, user=user)
