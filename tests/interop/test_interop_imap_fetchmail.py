"""fetchmail fetches and removes mail over IMAP, handing each message to a command."""

from __future__ import annotations

from pathlib import Path

import pytest
from interop_imap_imaplib import done, kept, logged_in
from interop_imap_messages import kinds
from interop_imap_programs import as_sent, run, settings
from interop_imap_site import HOST, Account

FETCHMAIL = Path("/usr/bin/fetchmail")
pytestmark = pytest.mark.skipif(
    not FETCHMAIL.exists(), reason="not installed: fetchmail (tests/interop/install-peers.sh)"
)
SETTINGS = """
set invisible
poll {host} protocol imap service {port} user "{account.user}" password "{account.password}"
  {tls} sslcertck sslcertfile "{account.trusted}" mda "{take}" folder INBOX,Archive fetchall no keep no rewrite
"""


@pytest.mark.parametrize("tls", [False, True], ids=["starttls", "implicit"])
def test_everything_is_fetched(account: Account, tls: bool) -> None:
    """Every kind of message comes as it is, and is gone then."""
    messages = [message for name, message in kinds().items() if name != "unfinished"]  # fetchmail ends every line
    with logged_in(account) as client:
        for number, message in enumerate(messages):
            done(client.append(("INBOX", "Archive")[number % 2], "", "", message))
    box, take = account.home / "mail", account.home / "take"
    box.mkdir()
    take.write_text(f'#!/bin/sh\nexec cat >"$(mktemp {box}/XXXXXXXX)"\n')
    take.chmod(0o700)
    port, way = (account.implicit, "ssl") if tls else (account.starttls, 'sslproto "tls1.2+"')
    text = SETTINGS.format(account=account, host=HOST, port=port, tls=way, take=take)

    run([FETCHMAIL, "--fetchmailrc", settings(account.home / "fetchmailrc", text), "--nodetach"], account.home)

    assert sorted(as_sent(path.read_bytes()) for path in box.iterdir()) == sorted(messages)
    assert [body for messages in kept(account).values() for body in messages] == []
