"""A site that keeps the mail of kept.test, which Postfix hands over by LMTP and by SMTP."""

from __future__ import annotations

import poplib
from pathlib import Path

from interop_daemons import SMTP_PORT, LoopbackNetwork
from interop_dovecot import LMTP_PORT
from running_site import PASSWORD, RunningSite

LISTENERS = """
[listen.lmtp]
endpoint = "tcp:{port}:interface={host}"
role = "lmtp"
[listen.socket]
endpoint = "unix:{socket}:mode=666"
role = "lmtp"
[listen.mx]
endpoint = "tcp:{mx}:interface={host}"
role = "mx"
[listen.pop3]
endpoint = "tcp:0:interface={host}"
role = "pop3"
plaintext_login = ["127.0.0.0/8"]
"""


def kept_socket(root: Path) -> Path:
    """Return where its unix socket is."""
    return root / "kept.sock"


def kept_site(root: Path, network: LoopbackNetwork) -> RunningSite:
    """Start it, with the accounts ann, ben and full; the last has no room."""
    host = network.address(22)
    listeners = LISTENERS.format(port=LMTP_PORT, mx=SMTP_PORT, host=host, socket=kept_socket(root))
    names = "".join(f'[domains."{name}.kept.test"]\nalias_of = "kept.test"\n' for name in ("socket", "smtp"))
    domains = f'[domains."kept.test"]\n{names}'
    site = RunningSite(root / "kept", domains, listeners, host).start()
    for name in ("ann", "ben", "full"):
        site.add_account(f"{name}@kept.test", PASSWORD)
    site.mta("account", "set", "full@kept.test", "--quota", "1KB")
    return site


def fetched(site: RunningSite, name: str) -> list[bytes]:
    """Return and remove the mail of an account, without what a client adds."""
    drop = poplib.POP3(site.host, site.ports["pop3"], timeout=60)
    poplib._MAXLINE = 100_000  # type: ignore[attr-defined]  # the longest that a message here has
    drop.utf8()
    drop.user(f"{name}@kept.test")
    drop.pass_(PASSWORD)
    mails = []
    for number in range(1, drop.stat()[0] + 1):
        mails.append(b"".join(line + b"\r\n" for line in drop.retr(number)[1]))
        drop.dele(number)
    drop.quit()
    return mails
