"""CAPABILITY, NOOP, CHECK, ENABLE, ID (RFC 9051 section 6.1, RFC 2971)."""

from __future__ import annotations

from twistedmail_mta.access.imap.condstore import tell_highest
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.imap import login
from twistedmail_mta.imap.capability import enabled_line, known_extensions
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.response import Response, ok

NAME = b"twistedmail_mta"


async def noop(_context: Context, command: Command) -> Response:
    """Answer what asks for nothing but news."""
    return ok(f"{command.verb} completed")


async def enable(context: Context, command: Command) -> Response:
    """Answer ENABLE (RFC 9051 section 6.3.1)."""
    action = command.action
    assert isinstance(action, login.Enable)
    session, before, aware = context.session, context.session.extensions, context.session.condstore
    wanted = known_extensions(action.capabilities)
    for extension in wanted:
        session.enable(extension)
    session.send(enabled_line([extension for extension in wanted if extension not in before]))
    if session.condstore and not aware:
        tell_highest(context)
    return ok("ENABLE completed")


async def identify(context: Context, _: Command) -> Response:
    """Answer ID; strangers aren't told our version (RFC 2971 section 5)."""
    version = b' "version" "%b"' % context.listener.version.encode() if context.account else b""
    context.session.send(b'* ID ("name" "%b"%b)\r\n' % (NAME, version))
    return ok("ID completed")
