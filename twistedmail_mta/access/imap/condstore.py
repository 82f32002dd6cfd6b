"""Clients that turn out to know mod-sequences (RFC 7162 section 3.1)."""

from __future__ import annotations

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.imap.response import ok


def enable_condstore(context: Context) -> None:
    """Take note that the client knows mod-sequences, and tell it the mailbox's."""
    if not context.session.condstore:
        context.session.enable(Extension.CONDSTORE)
        context.session.say(ok("The highest mod-sequence", b"HIGHESTMODSEQ %d" % context.opened.view.modseq))
