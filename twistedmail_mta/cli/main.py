"""The `mta` command itself: its options, and its commands, each imported only when it is used."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import click
from click.shell_completion import CompletionItem

from twistedmail_mta.cli.site import Invocation

NAME: Final = "mta"
_CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that isn't imported yet.

    Attributes:
        place: "module:attribute".
        help: one line about it.
    """

    place: str
    help: str


_BEFORE: Final = ("--config", "-c")
"""Options of `mta` itself, which people write behind a command."""
_COMMANDS: Final = {
    "quickstart": Entry("twistedmail_mta.cli.quickstart:quickstart", "Set up a site; an address is all it needs."),
    "import": Entry("twistedmail_mta.cli.import_site:import_", "Take over a Postfix, a Dovecot or an hMailServer."),
    "check": Entry("twistedmail_mta.cli.check:check", "A preflight: site file, machine, network and DNS."),
    "explain": Entry("twistedmail_mta.cli.explain:explain", "Say what would happen to a mail, step by step, and why."),
    "test": Entry("twistedmail_mta.cli.test:test", "Hold the site against a file that says what should happen."),
    "domain": Entry("twistedmail_mta.cli.domain:domain", "Add, change, list and remove domains that mail is kept for."),
    "account": Entry("twistedmail_mta.cli.account:account", "Add, change, list and remove accounts."),
    "alias": Entry("twistedmail_mta.cli.alias:alias", "Add, list, remove and import aliases."),
    "dkim": Entry("twistedmail_mta.cli.dkim:dkim", "Make the keys that sign mail; publish, use and renew them."),
    "acme": Entry("twistedmail_mta.cli.acme:acme", "Look at the certificates that an authority issues; renew them."),
    "mailbox": Entry("twistedmail_mta.cli.mailbox:mailbox", "List mailboxes; import and export mail."),
    "auth": Entry("twistedmail_mta.cli.auth:auth", "Find out whether mail is whose it says it is."),
    "dns": Entry("twistedmail_mta.cli.dns:dns", "Print the DNS records that the site needs, or check them."),
    "report": Entry("twistedmail_mta.cli.report:report", "Read what others report about our domains: DMARC and TLS."),
    "limits": Entry("twistedmail_mta.cli.limits:limits", "Show and reset what an account has used of its limits."),
    "plugin": Entry("twistedmail_mta.cli.plugin:plugin", "List and check the plugins of the site; begin a new one."),
    "reload": Entry("twistedmail_mta.cli.reload:reload", "Let the running server read its site file again."),
    "diff": Entry("twistedmail_mta.cli.diff:diff", "Show what a reload of the site file would change."),
    "top": Entry("twistedmail_mta.cli.top:top", "Watch the server: sessions, rates, the queue, lanes, senders."),
    "queue": Entry("twistedmail_mta.cli.queue:queue", "Look at the mail that waits, and act on it."),
    "headers": Entry("twistedmail_mta.cli.headers:headers", "Show the way of any message, from its own header."),
    "metrics": Entry("twistedmail_mta.cli.metrics:metrics", "Print what the server has counted, for Prometheus."),
    "trace": Entry("twistedmail_mta.cli.trace:trace", "Tell what became of mail, and why."),
    "quarantine": Entry(
        "twistedmail_mta.cli.quarantine:quarantine", "Look at the mail that plugins kept back; release or delete it."
    ),
    "backup": Entry("twistedmail_mta.cli.backup:backup", "Keep a copy of the site, also while it runs."),
    "restore": Entry("twistedmail_mta.cli.restore:restore", "Bring a backup back, or see whether it could be."),
    "verify": Entry("twistedmail_mta.cli.verify:verify", "See that bodies can be read and rows are sound; mend them."),
    "upgrade": Entry(
        "twistedmail_mta.cli.upgrade:upgrade", "Bring the databases to this release, or try it on copies."
    ),
    "completion": Entry("twistedmail_mta.cli.completion:completion", "Let a shell complete these commands."),
}


class Commands(click.Group):
    """The commands; one is imported when it is called, not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.place.partition(":")
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command by its name; of one that isn't there say which was meant."""
        near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
        if near and args[0] not in _COMMANDS:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; of --config behind it say where it belongs."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            if error.option_name not in _BEFORE:
                raise
            words = f"{error.option_name} belongs before the command: mta {error.option_name} FILE ..."
            raise click.UsageError(words, error.ctx) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command without importing any."""
        names = [
            CompletionItem(name, help=entry.help) for name, entry in _COMMANDS.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in _COMMANDS.items()])


@click.group(cls=Commands, context_settings=_CONTEXT)
@click.option("--config", "-c", metavar="FILE", help="The site file.")
@click.option("--json", "as_json", is_flag=True, help="Print what is listed or shown as JSON.")
@click.version_option(package_name="twistedmail-mta", prog_name=NAME)
@click.pass_context
def mta(context: click.Context, config: str | None, *, as_json: bool) -> None:
    """Operate the mail server that `twistd mta` runs.

    Without --config the site file is $MTA_CONFIG, ./mta.toml or
    /etc/mta/mta.toml, else the trial site of the working directory.  Run as
    root, commands act as the owner of the state directory.
    """
    context.obj = Invocation(config, as_json=as_json)


def main() -> None:
    """Run the command, with errors in words."""
    try:
        mta(prog_name=NAME, standalone_mode=True)
    except Exception as error:
        words = _in_words(error)
        if words is None:
            raise
        click.echo(f"Error: {words}", err=True)
        sys.exit(1)


def _in_words(error: Exception) -> str | None:
    """Return what to tell an operator of an error that is no bug, or None."""
    from twistedmail_mta.cli.errors import in_words  # noqa: PLC0415 - it imports much, and only failures need it

    return in_words(error)


if __name__ == "__main__":
    main()
