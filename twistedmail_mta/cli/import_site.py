"""`mta import`: sites, accounts and aliases out of the configurations of other mail servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

from twistedmail_mta.cli.hosting import as_domain
from twistedmail_mta.cli.import_entering import Brought, enter
from twistedmail_mta.cli.import_files import decoded, find_files, read_text
from twistedmail_mta.cli.import_text import Outcome, print_outcome
from twistedmail_mta.cli.quickstart_name import name_of_host, system_name
from twistedmail_mta.cli.quickstart_steps import Hand, Step, certificate, system_user
from twistedmail_mta.cli.site import Invocation, pass_invocation
from twistedmail_mta.config.load import read_site
from twistedmail_mta.config.site import Site
from twistedmail_mta.founding.layout import DEBIAN_USER, Layout, debian_layout, one_folder
from twistedmail_mta.migrating.completing import Frame, complete, usable_hostname
from twistedmail_mta.migrating.dovecot.reading import read_dovecot
from twistedmail_mta.migrating.draft import Draft
from twistedmail_mta.migrating.hmailserver.reading import read_hmailserver
from twistedmail_mta.migrating.postfix.reading import read_postfix

_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
_THERE: Final = click.Path(exists=True, file_okay=False)
_POSTFIX: Final = "/etc/postfix"
_DOVECOT: Final = "/etc/dovecot"

Read = Callable[[Draft], str | None]
"""Reads a configuration into a draft; returns the name of the host, if it is said there."""


def _where(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where the new site goes."""
    for option in (
        click.option(
            "--dry-run", is_flag=True, help="Change nothing; print the site file, and what became of each setting."
        ),
        click.option("--user", metavar="NAME", help=f"Whom the server becomes; {DEBIAN_USER}, where root sets it up."),
        click.option("--hostname", metavar="NAME", callback=as_domain, help="Of this host; else it is found out."),
        click.option("--dir", "folder", type=_FOLDER, help="Everything in one folder: for whoever isn't root."),
    ):
        command = option(command)
    return command


@click.group(name="import")
def import_() -> None:
    """Take over the configuration of another mail server.

    Writes a site file and adds the accounts and aliases, and says of each
    setting what became of it.  Nothing that is there is written over.  Root
    gets /etc/mta and /var/lib/mta; others say --dir.  Exit status 1: something
    couldn't be taken over, and somebody has to look at it.
    """


@import_.command()
@click.argument("path", metavar="[DIRECTORY]", type=_THERE, default=_POSTFIX)
@click.option("--dovecot", metavar="DIRECTORY", type=_THERE, help=f"The Dovecot beside it, such as {_DOVECOT}.")
@_where
@pass_invocation
def postfix(  # noqa: PLR0913 - click's options
    invocation: Invocation,
    path: str,
    *,
    dovecot: str | None,
    folder: Path | None,
    hostname: str | None,
    user: str | None,
    dry_run: bool,
) -> None:
    """Take over a Postfix: main.cf, master.cf and its tables."""
    own = hostname or system_name()

    def read(draft: Draft) -> str | None:
        name = read_postfix(path, read_text, own, draft)
        if dovecot is not None:
            read_dovecot(dovecot, read_text, find_files, draft)
        return name

    source = f"postfix {path}" + ("" if dovecot is None else f" --dovecot {dovecot}")
    _bring(invocation, source, read, _Wanted(folder, hostname, user, dry_run))


@import_.command(name="dovecot")
@click.argument("path", metavar="[DIRECTORY]", type=_THERE, default=_DOVECOT)
@_where
@pass_invocation
def dovecot_(  # noqa: PLR0913 - click's options
    invocation: Invocation, path: str, *, folder: Path | None, hostname: str | None, user: str | None, dry_run: bool
) -> None:
    """Take over a Dovecot: dovecot.conf, what it includes, and its passwd-files."""
    wanted = _Wanted(folder, hostname, user, dry_run)
    _bring(invocation, f"dovecot {path}", lambda draft: read_dovecot(path, read_text, find_files, draft), wanted)


@import_.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@_where
@pass_invocation
def hmailserver(  # noqa: PLR0913 - click's options
    invocation: Invocation,
    files: Sequence[str],
    *,
    folder: Path | None,
    hostname: str | None,
    user: str | None,
    dry_run: bool,
) -> None:
    """Take over an hMailServer: a dump of its database, or hMailServerBackup.xml."""

    def read(draft: Draft) -> str | None:
        try:
            return read_hmailserver([(name, decoded(Path(name).read_bytes())) for name in files], draft)
        except ValueError as error:
            raise click.ClickException(str(error)) from error

    _bring(invocation, f"hmailserver {' '.join(files)}", read, _Wanted(folder, hostname, user, dry_run))


class _Wanted:
    """Where the new site goes."""

    def __init__(self, folder: Path | None, hostname: str | None, user: str | None, dry: bool) -> None:
        self.folder = folder
        self.hostname = hostname
        self.is_system = folder is None
        self.user = user or (DEBIAN_USER if self.is_system else None)
        self.dry = dry

    def layout(self) -> Layout:
        """Return the places of its files."""
        if self.folder is not None:
            return one_folder(self.folder.absolute())
        if os.geteuid() != 0 and not self.dry:
            raise click.ClickException(
                "run this as root, which sets it up in /etc/mta and /var/lib/mta; or say --dir FOLDER"
            )
        return debian_layout(Path("/"))


def _bring(invocation: Invocation, source: str, read: Read, wanted: _Wanted) -> None:
    """Read, write, add, tell."""
    if invocation.config is not None:
        raise click.UsageError("--config has no meaning here: --dir says where the site file goes")
    layout, draft = wanted.layout(), Draft()
    try:
        said = read(draft)
    except OSError as error:
        raise click.ClickException(f"{source}: {error}") from error
    hostname = (
        wanted.hostname or usable_hostname(draft, said) or name_of_host(None, (draft.hosted or ["localdomain"])[0]).text
    )
    site, text = complete(draft, Frame(source, layout, wanted.user, hostname))
    there = layout.site_file.exists()
    steps, brought = _write(draft, site, text, wanted, layout)
    outcome = Outcome(layout.site_file, there, text if wanted.dry else "", steps, brought, draft)
    print_outcome(invocation, outcome)
    sys.exit(0 if outcome.is_whole else 1)


def _write(draft: Draft, site: Site, text: str, wanted: _Wanted, layout: Layout) -> tuple[list[Step], Brought]:
    hand, steps = Hand(wanted.dry, wanted.user), list[Step]()
    if wanted.is_system and wanted.user is not None:
        steps.append(system_user(hand, wanted.user, layout.state_dir))
    folder = layout.site_file.parent
    for name, content in draft.secrets.items():
        steps.append(
            hand.file(folder / name, content, "a password", hand.private)
            if not wanted.dry
            else Step("wanted", str(folder / name))
        )
    steps += [hand.file(folder / name, content, "named in the site file") for name, content in draft.files.items()]
    steps.append(hand.file(layout.site_file, text, "the site file"))
    used = read_site(layout.site_file) if layout.site_file.exists() else site
    if used.tls is not None and used.tls.certificate == layout.certificate:
        steps += certificate(hand, used)
    if wanted.dry:
        return steps, Brought(len(draft.accounts), 0, len(draft.aliases), ())
    return steps, enter(layout.site_file, draft)
