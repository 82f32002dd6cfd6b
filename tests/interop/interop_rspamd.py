"""An rspamd that says who sent a message, signs and seals, and does nothing else."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop_daemons import DNS_PORT, Daemon, LoopbackNetwork
from interop_peers import MAIL_USER, folder, write
from interop_scanners import NOBODY, RSPAMD, RSPAMD_PORT

PLUGINS = Path("/usr/share/rspamd/plugins")
SCORES = Path("/etc/rspamd/scores.d/policies_group.conf")
"""Without a group that names them, some symbols aren't told."""


@dataclass(frozen=True)
class Keys:
    """What it signs with.

    Attributes:
        domain: of mail that an account submits.
        by_selector: the files of that domain's private keys.
        sealer: the domain whose mail from strangers it seals, with the key of the first selector.
    """

    domain: str
    by_selector: Mapping[str, Path]
    sealer: str


@dataclass(frozen=True)
class Rspamd:
    """One that runs.

    Attributes:
        address: where it is asked, by HTTP.
    """

    daemon: Daemon
    address: str

    def asked(
        self,
        text: bytes,
        host: str,
        sender: str,
        helo: str = "client.test",
        *,
        to: str = "bob@home.test",
        account: str = "",
    ) -> Mapping[str, Any]:
        """Return what it says of a message; `account` is whom it takes for logged in."""
        said = {"IP": host, "From": sender, "Helo": helo, "Rcpt": to} | ({"User": account} if account else {})
        url = f"http://{self.address}:{RSPAMD_PORT}/checkv2"
        with urllib.request.urlopen(urllib.request.Request(url, text, said), timeout=60) as answer:
            found: Mapping[str, Any] = json.load(answer)
        return found


def symbols(answer: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """Return what it found: symbols, each with what it says of it."""
    return {name: found.get("options", []) for name, found in answer["symbols"].items()}


def signatures(answer: Mapping[str, Any]) -> bytes:
    """Return the signature fields that it wants in front of a message."""
    values = answer["dkim-signature"]
    return b"".join(
        f"DKIM-Signature: {value}\r\n".encode() for value in ([values] if isinstance(values, str) else values)
    )


def seal(answer: Mapping[str, Any]) -> bytes:
    """Return the ARC set that it wants in front of a message."""
    added = answer["milter"]["add_headers"]
    names = ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results")
    return b"".join(f"{name}: {added[name]['value']}\r\n".encode() for name in names)


def start_authenticating_rspamd(root: Path, network: LoopbackNetwork, host: int, names: str, keys: Keys) -> Rspamd:
    """Start one at an address of the network, which asks the name server `names`."""
    home = folder(root / "rspamd-authentication", MAIL_USER)
    write(home / "tlds", "// those that are needed\norg\ntest\n")
    signing = ", ".join(f'{{ selector = "{name}"; path = "{path}"; }}' for name, path in keys.by_selector.items())
    selector, path = next(iter(keys.by_selector.items()))
    configuration = write(
        home / "rspamd.conf",
        f"""
options {{
    pidfile = "{home}/rspamd.pid";
    filters = "dkim,spf";
    local_addrs = [];
    url_tld = "{home}/tlds";
    cache_file = "{home}/symbols.cache";
    history_file = "{home}/history";
    hs_cache_dir = "{home}";
    tempdir = "{home}";
    control_socket = "{home}/control mode=0600";
    dns {{ nameserver = ["{names}:{DNS_PORT}"]; timeout = 5s; retransmits = 2; }}
    explicit_modules = [];
}}
logging {{ type = "console"; level = "info"; }}
worker "normal" {{ bind_socket = "{network.address(host)}:{RSPAMD_PORT}"; count = 1; }}
actions {{ reject = 150; }}
spf {{ }}
dkim {{ trusted_only = false; skip_multi = false; }}
dmarc {{ }}
dkim_signing {{
    sign_authenticated = true;
    allow_username_mismatch = true;
    use_domain = "header";
    use_esld = false;
    try_fallback = false;
    domain {{ "{keys.domain}" {{ selectors = [{signing}]; }} }}
}}
arc {{
    sign_inbound = true;
    allow_hdrfrom_mismatch = true;
    use_domain = "recipient";
    use_esld = false;
    try_fallback = false;
    domain {{ "{keys.sealer}" {{ selector = "{selector}"; path = "{path}"; }} }}
}}
modules {{ path = "{PLUGINS}"; }}
group "policies" {{ .include "{SCORES}" }}
""",
    )
    daemon = Daemon("rspamd", [*NOBODY, RSPAMD, "-f", "-c", configuration], home / "output")
    daemon.start((network.address(host), RSPAMD_PORT))
    return Rspamd(daemon, network.address(host))
