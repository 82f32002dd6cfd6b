"""The scanners: rspamd, clamd and spamd, each with a folder and rules of its own, as a user without rights."""

from __future__ import annotations

from pathlib import Path

from interop_daemons import Daemon, LoopbackNetwork, eventually
from interop_peers import MAIL_USER, folder, write

RSPAMD = Path("/usr/bin/rspamd")
CLAMD = Path("/usr/sbin/clamd")
SPAMD = Path("/usr/sbin/spamd")
SPAMASSASSIN = Path("/etc/spamassassin")
RSPAMD_PORT, CLAMD_PORT, SPAMD_PORT = 11333, 3310, 7830
NOBODY = ["setpriv", f"--reuid={MAIL_USER}", "--regid=nogroup", "--clear-groups"]

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""What every filter takes for spam."""

EICAR = b"58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152442d414e54"
EICAR += b"4956495255532d544553542d46494c452124482b482a"
"""What every scanner takes for a virus, in hexadecimal: nobody's scanner is to find it in this file."""

_RSPAMD_RULES = """
rspamd_config:register_symbol({
  name = 'TEST_SCORE', type = 'normal', score = 1.0,
  callback = function(task)
    local wanted = task:get_header('X-Test-Score')
    if wanted then return true, tonumber(wanted) end
    return false
  end,
})
rspamd_config:register_symbol({
  name = 'TEST_TOLD', type = 'postfilter',
  callback = function(task)
    local recipients = {}
    for _, one in ipairs(task:get_recipients('smtp') or {}) do table.insert(recipients, one.addr) end
    local told = {
      tostring(task:get_from_ip()), tostring(task:get_helo()), tostring(task:get_from('smtp')[1].addr),
      table.concat(recipients, '+'), tostring(task:get_user()), tostring(task:get_hostname()),
    }
    task:set_milter_reply({
      add_headers = {['X-Told'] = table.concat(told, ' '), ['X-Length'] = tostring(task:get_size())},
      remove_headers = {['X-Unwanted'] = 0},
    })
    local wanted = task:get_header('X-Test-Action')
    if wanted then task:set_pre_result(wanted, 'as you wish') end
  end,
})
"""


def start_rspamd(root: Path, network: LoopbackNetwork) -> Daemon:
    """Start an rspamd that scores what the field X-Test-Score says: 4 greylist, 6 mark, 10 rewrite, 15 refuse."""
    home = folder(root / "rspamd", MAIL_USER)
    write(home / "rules.lua", _RSPAMD_RULES)
    write(home / "tlds", "// those that are needed\ncom\norg\ntest\n")
    configuration = write(
        home / "rspamd.conf",
        f"""
options {{
    pidfile = "{home}/rspamd.pid";
    filters = "regexp";
    local_addrs = [];
    url_tld = "{home}/tlds";
    cache_file = "{home}/symbols.cache";
    history_file = "{home}/history";
    hs_cache_dir = "{home}";
    tempdir = "{home}";
    control_socket = "{home}/control mode=0600";
    dns {{ nameserver = ["{network.address(99)}:1"]; timeout = 0.1s; retransmits = 1; }}
    explicit_modules = [];
}}
logging {{ type = "console"; level = "info"; }}
worker "normal" {{ bind_socket = "{network.address(40)}:{RSPAMD_PORT}"; count = 1; }}
actions {{
    reject = 15; rewrite_subject = 10; add_header = 6; greylist = 4; subject = "*** %s";
    quarantine {{ flags = ["no_threshold"]; }}
}}
lua = "{home}/rules.lua";
""",
    )
    daemon = Daemon("rspamd", [*NOBODY, RSPAMD, "-f", "-c", configuration], home / "output")
    daemon.start((network.address(40), RSPAMD_PORT))
    return daemon


def start_clamd(root: Path, network: LoopbackNetwork, most: str) -> Daemon:
    """Start a clamd that knows EICAR and nothing else, and takes streams of up to `most`."""
    home = folder(root / "clamd", MAIL_USER)
    database = folder(home / "database")
    write(database / "test.ndb", f"Eicar-Test:0:*:{EICAR.decode()}\nHeuristics.Test:0:*:{b'looks suspicious'.hex()}\n")
    configuration = write(
        home / "clamd.conf",
        f"""
DatabaseDirectory {database}
TemporaryDirectory {home}
LocalSocket {home}/clamd.ctl
LocalSocketMode 666
TCPAddr {network.address(41)}
TCPSocket {CLAMD_PORT}
StreamMaxLength {most}
Foreground yes
""",
    )
    daemon = Daemon("clamd", [*NOBODY, CLAMD, "-c", configuration], home / "output")
    daemon.start((network.address(41), CLAMD_PORT))
    eventually((home / "clamd.ctl").exists, "clamd makes its socket")
    return daemon


def start_spamd(root: Path, network: LoopbackNetwork) -> Daemon:
    """Start SpamAssassin's daemon with Debian's rules, without any question to the network.

    A field X-Test-Score of 7 is 7 points, one of 12 is 12.
    """
    home = folder(root / "spamd", MAIL_USER)
    for plugins in SPAMASSASSIN.glob("*.pre"):
        write(home / plugins.name, plugins.read_text())
    rules = "".join(f"header TEST_{n} X-Test-Score =~ /^{n}$/\nscore TEST_{n} {n}\n" for n in (7, 12))
    write(home / "local.cf", f"use_bayes 0\ndns_available no\nskip_rbl_checks 1\n{rules}")
    place = ["-i", network.address(42), "-A", "127.0.0.0/8", "-p", str(SPAMD_PORT)]
    settings = ["--local", "--nouser-config", "--max-children=2", f"--siteconfigpath={home}", "--syslog=stderr"]
    command = [*NOBODY, "env", f"HOME={home}", SPAMD, *place, *settings, "-r", home / "spamd.pid"]
    daemon = Daemon("spamd", command, home / "output")
    daemon.start((network.address(42), SPAMD_PORT))
    return daemon
