"""Questions of commands to plugins: to those of the running server, else to ones made for the moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistedmail_mta.cli.offline import ImmediateDatabase, ImmediatePool, WallClock, finished, queue_control
from twistedmail_mta.cli.site import Invocation
from twistedmail_mta.config.plugging import Found
from twistedmail_mta.control.client import ControlClient, NotRunningError
from twistedmail_mta.interfaces import IHTTPClient, IResolver
from twistedmail_mta.policy.running import Plugins
from twistedmail_mta.policy.supplies import Supplies
from twistedmail_mta.spool.account_mail import AccountMail
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import WorkerPool


class _NoTimer:
    """A call that never comes: what would be done later is done when the plugin stops."""

    def active(self) -> bool:
        return False

    def cancel(self) -> None:
        """There is nothing to cancel."""


class _StillClock(WallClock):
    """The time of day, for a plugin that lives for one question."""

    def callLater(self, *_: Any, **__: Any) -> IDelayedCall:  # noqa: ANN401, N802 - Twisted's
        return cast(IDelayedCall, _NoTimer())


def ask(invocation: Invocation, use: str, question: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Put a question to every plugin of a kind that the site file names, and return their answers.

    Args:
        invocation: says which site.
        use: the name under which the kind ships.
        question: as `Plugins.ask` has it.

    Raises:
        ClickException: there is none.
        RefusedError: the running server can't answer.
        PluginError: the plugin can't.
    """
    site = invocation.chosen_site().site
    found = [each for each in site.found_plugins if each.table.use == use]
    if not found:
        raise click.ClickException(f'the site file has no plugin with use = "{use}"; see docs/policies.md')
    state_dir = invocation.state_dir()
    try:
        with ControlClient(state_dir) as client:
            return [client.call("plugin.ask", {"plugin": each.name, "question": question}) for each in found]
    except NotRunningError:
        return [_ask_here(each, site.server.hostname, state_dir, question) for each in found]


def _ask_here(found: Found, hostname: str, state_dir: Path, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ask a plugin that is made for that, on the database of a server that doesn't run."""
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        supplies = Supplies(
            hostname,
            cast(IReactorTime, _StillClock()),
            time.time,
            cast(IResolver, None),
            cast(IHTTPClient, None),
            ImmediateDatabase(database),
            lambda _: cast(WorkerPool, ImmediatePool()),
            AccountMail(queue_control(database, state_dir)),
        )
        plugins = Plugins([found], supplies)
        finished(plugins.start())
        try:
            return finished(plugins.ask(found.name, question))
        finally:
            finished(plugins.stop())
