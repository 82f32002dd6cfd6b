"""Clients that turn out to know mod-sequences (RFC 7162 section 3.1)."""

from __future__ import annotations

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.imap.response import ok


def enable_condstore(context: Context) -> None:
    """Take note that the client knows mod-sequences, and tell it the selected mailbox's."""
    if not context.session.condstore:
        context.session.enable(Extension.CONDSTORE)
        tell_highest(context)


def tell_highest(context: Context) -> None:
    """Tell the mod-sequence of the selected mailbox, if there is one, to a client that hasn't heard of any so far."""
    if context.selected is not None:
        context.session.say(ok("The highest mod-sequence", b"HIGHESTMODSEQ %d" % context.selected.view.modseq))
