"""`mta quickstart` by root in the places of a system, and the server as its unit runs it: never root.

Root's view of /etc, /var/lib and the network is a copy that ends with the
test, so this needs root, `unshare`, and a Python that other users can run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from running_site import CHECKOUT

PATHS = [str(CHECKOUT / "plugins"), str(CHECKOUT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
NOBODY = 65534
SCRIPT = """\
set -e
mkdir -p "$1/etc" "$1/lib"
mount -t tmpfs tmpfs "$1/etc"; cp -a /etc/. "$1/etc/"; mount --bind "$1/etc" /etc
mount -t tmpfs tmpfs "$1/lib"; mount --bind "$1/lib" /var/lib
ip link set lo up
cd /
mta="$2 -m twistedmail_mta.cli.main"
$mta quickstart you@example.org --hostname mail.example.org --json > "$1/first"
$mta quickstart you@example.org --json > "$1/second"
stat -c '%n %a %U %G' /etc/mta/mta.toml /etc/mta/tls /etc/mta/tls/key.pem /var/lib/mta /var/lib/mta/mta.db > "$1/owners"
setpriv --reuid=mta --regid=mta --init-groups --inh-caps=-all,+net_bind_service --ambient-caps=+net_bind_service \\
    --bounding-set=-all,+net_bind_service --no-new-privs \\
    $2 -c 'from twisted.scripts.twistd import run; run()' -n --pidfile= mta --config /etc/mta/mta.toml > "$1/log" 2>&1 &
server=$!
trap 'kill $server; wait $server || true' EXIT
$2 - "$1/first" <<'END'
import json, smtplib, ssl, sys, time
password = json.load(open(sys.argv[1]))["password"]
end = time.monotonic() + 30
while True:
    try:
        with smtplib.SMTP("127.0.0.1", 25) as stranger:
            stranger.sendmail("bob@example.net", ["postmaster@example.org"], b"Subject: hello\\r\\n\\r\\nhello\\r\\n")
        break
    except ConnectionRefusedError:
        if time.monotonic() > end:
            raise
        time.sleep(0.05)
context = ssl._create_unverified_context()
with smtplib.SMTP_SSL("127.0.0.1", 465, context=context) as login:
    login.login("you@example.org", password)
END
grep -E '^(Uid|CapBnd|CapEff|NoNewPrivs)' /proc/$server/status > "$1/status"
$mta check --offline --json > "$1/checked"
$mta account show you@example.org > "$1/account"
"""


def python_for_others() -> str | None:
    """Return a Python that any user can run with what this one has, if there is one."""
    for python in (sys.executable, "/usr/bin/python3"):
        as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        program = [python, "-c", "import twistedmail_mta.app"]
        try:
            subprocess.run(program, env=surroundings(), cwd="/", capture_output=True, check=True, **as_nobody)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    return None


def surroundings() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(PATHS)), "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}


def may_unshare() -> bool:
    """Whether this process may have its own view of files and network."""
    tools = all(map(shutil.which, ("unshare", "setpriv", "ip", "useradd")))
    return tools and subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or not may_unshare(), reason="needs root, unshare, setpriv, ip and useradd")
def test_root_sets_it_up_and_nobody_stays_root(tmp_path: Path) -> None:
    """Files belong to whom they should, the server has one capability, and takes mail on port 25."""
    python = python_for_others()
    if python is None:
        pytest.skip("other users can't run this Python")

    program = ["unshare", "-m", "-n", "bash", "-c", SCRIPT, "bash", str(tmp_path), python]
    done = subprocess.run(program, env=surroundings(), capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert not Path("/etc/mta/mta.toml").exists()
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("first", "second"))
    assert (first["changed"], second["changed"], second["password"]) == (True, False, None)
    assert (tmp_path / "owners").read_text().splitlines() == [
        "/etc/mta/mta.toml 640 root mta",
        "/etc/mta/tls 750 root mta",
        "/etc/mta/tls/key.pem 640 root mta",
        "/var/lib/mta 700 mta mta",
        "/var/lib/mta/mta.db 600 mta mta",
    ]
    status = dict(line.split(":", 1) for line in (tmp_path / "status").read_text().splitlines())
    assert "0" not in status["Uid"].split()
    assert (int(status["CapBnd"], 16), int(status["CapEff"], 16)) == (1 << 10, 1 << 10)  # CAP_NET_BIND_SERVICE
    assert status["NoNewPrivs"].strip() == "1"
    findings = json.loads((tmp_path / "checked").read_text())["findings"]
    assert any("the running server of this site" in each["text"] for each in findings)
    assert not [each for each in findings if each["subject"] in {"permissions", "ports"} and each["level"] != "note"]
    assert "1 messages" in (tmp_path / "account").read_text()
