"""`mta quickstart`: from nothing to a site that can be started, asking nothing that can be found out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from twistedmail_mta.acme.application import shortcoming as shortcoming_of_acme
from twistedmail_mta.checks.finding import Finding, errors_of
from twistedmail_mta.checks.local import findings_of, findings_of_file
from twistedmail_mta.cli import quickstart_steps as steps
from twistedmail_mta.cli.dns_addresses import known_addresses
from twistedmail_mta.cli.dns_presence import Domains, Shown, presence_of, shown_certificates
from twistedmail_mta.cli.hosting import as_account, as_domain, open_directory
from twistedmail_mta.cli.preflight import findings_as_root
from twistedmail_mta.cli.quickstart_name import name_of_host
from twistedmail_mta.cli.quickstart_steps import Hand, Step
from twistedmail_mta.cli.quickstart_text import Outcome, print_outcome
from twistedmail_mta.cli.site import Invocation, pass_invocation
from twistedmail_mta.config.load import parse_site, read_site
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.dkim_rows import keys_of
from twistedmail_mta.founding.layout import DEBIAN_USER, Layout, debian_layout, one_folder
from twistedmail_mta.founding.naming import Name
from twistedmail_mta.founding.site_file import Wanted, site_text
from twistedmail_mta.founding.unit import unit_text
from twistedmail_mta.networks import address_of

_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_MOST_ADDED: Final = 64000


@dataclass(frozen=True, slots=True)
class Undertaking:
    """What is to be set up, and how.

    Attributes:
        wanted: the site.
        layout: where its files go.
        name: of the host, and how it was found.
        hand: makes things, or says that it would.
    """

    wanted: Wanted
    layout: Layout
    name: Name
    hand: Hand


def _as_addresses(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    found = tuple(map(address_of, values))
    if None in found:
        raise click.BadParameter("must be an IPv4 or IPv6 address")
    return tuple(map(str, found))


@click.command()
@click.argument("address", metavar="YOU@DOMAIN", callback=as_account)
@click.option("--hostname", metavar="NAME", callback=as_domain, help="Of this host; else it is found out.")
@click.option(
    "--address",
    "addresses",
    metavar="IP",
    multiple=True,
    callback=_as_addresses,
    help="Of this host as others see it, behind NAT; may be repeated.",
)
@click.option("--dir", "folder", type=_FOLDER, help="Everything in one folder: for whoever isn't root.")
@click.option("--root", type=_FOLDER, help="Everything below this folder, as in a system: for images and packages.")
@click.option("--user", metavar="NAME", help=f"Whom the server becomes; {DEBIAN_USER}, where root sets it up.")
@click.option(
    "--ports",
    metavar="NUMBER",
    type=click.IntRange(0, _MOST_ADDED),
    default=0,
    help="Added to each port, on loopback alone: for a trial.",
)
@click.option(
    "--acme/--self-signed",
    default=False,
    help="Let an authority issue the certificate, which agrees to its terms of service; or begin with your own.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; print every file that would be written.")
@pass_invocation
def quickstart(  # noqa: PLR0913 - click's options
    invocation: Invocation,
    address: str,
    *,
    hostname: str | None,
    addresses: Sequence[str],
    folder: Path | None,
    root: Path | None,
    user: str | None,
    ports: int,
    acme: bool,
    dry_run: bool,
) -> None:
    """Set up a site that keeps the mail of an address's domain, with a first account.

    What is there already stays as it is, so it may be run again.  Root gets
    the places of a system: /etc/mta, /var/lib/mta and a systemd unit; others
    say --dir.  Exit status 1: the server couldn't be started yet, and why.
    """
    if invocation.config is not None:
        raise click.UsageError("--config has no meaning here: --dir says where the site file goes")
    layout = _layout(folder, root, dry_run=dry_run)
    if acme and (text := shortcoming_of_acme()):
        raise click.ClickException(f"--acme {text}")
    is_system = folder is None and root is None
    user = user or (DEBIAN_USER if is_system else None)
    name = _name(layout, hostname, address.rpartition("@")[2])
    wanted = Wanted(address, name.text, user, acme, ports, tuple(addresses))
    outcome = _set_up(Undertaking(wanted, layout, name, Hand(dry_run, user)), makes_user=is_system)
    print_outcome(invocation, outcome)
    sys.exit(1 if errors_of(outcome.findings) else 0)


def _layout(folder: Path | None, root: Path | None, *, dry_run: bool) -> Layout:
    if folder is not None and root is not None:
        raise click.UsageError("--dir and --root contradict each other")
    if folder is not None:
        return one_folder(folder.absolute())
    if root is None and os.geteuid() != 0 and not dry_run:
        words = "run this as root, which sets it up in /etc/mta and /var/lib/mta; or say --dir FOLDER --ports 2000"
        raise click.ClickException(words)
    return debian_layout((root or Path("/")).absolute())


def _name(layout: Layout, said: str | None, domain: str) -> Name:
    """Return the name of the host; that of a site file which is there counts."""
    if layout.site_file.exists():
        return Name(read_site(layout.site_file).server.hostname, "as the site file says")
    return name_of_host(said, domain)


def _set_up(doing: Undertaking, *, makes_user: bool) -> Outcome:
    """Make everything, first what is root's, then what is the server's user's."""
    wanted, layout, hand = doing.wanted, doing.layout, doing.hand
    text = site_text(wanted, layout)
    site = _site(layout.site_file, text)  # before anything is made: what can't be read isn't to be written
    done: list[Step] = []
    if makes_user and wanted.user is not None:
        done.append(steps.system_user(hand, wanted.user, layout.state_dir))
    done.append(hand.file(layout.site_file, text, "the site file"))
    done += steps.certificate(hand, site)
    if layout.unit is not None:
        unit = unit_text(Path(sys.prefix), layout.site_file, site.server.state_dir, wanted.user or "root")
        done.append(hand.file(layout.unit, unit, "the systemd unit", 0o644))
    findings = _findings(layout.site_file, site, dry=hand.dry)
    shown = Shown((), ()) if hand.dry else shown_certificates(site)
    can_go_on = not any(each.path == "server.user" for each in errors_of(findings))
    inside, password, domains = _inside(doing, site) if can_go_on else ((), None, Domains((wanted.domain,)))
    presence = presence_of(site, known_addresses(site), shown, domains)
    whole = can_go_on and not hand.dry
    return Outcome(doing.name, layout, wanted, site, (*done, *inside), password, findings, presence, whole)


def _site(file: Path, text: str) -> Site:
    """Return what is there, else what would be."""
    return read_site(file) if file.exists() else parse_site(text, file.parent, str(file))


def _findings(file: Path, site: Site, *, dry: bool) -> Sequence[Finding]:
    """Return what is wrong with the new site, as far as this machine tells."""
    found = list(findings_as_root(site, frozenset()))
    if not dry:
        found += [*findings_of(site, datetime.now(UTC)), *findings_of_file(file, site)]
    return [each for each in found if each.level != "note"]


def _inside(doing: Undertaking, site: Site) -> tuple[Sequence[Step], str | None, Domains]:
    """Fill the state directory; from here on this process is its owner's."""
    wanted, layout, hand = doing.wanted, doing.layout, doing.hand
    if hand.dry:
        return list(steps.wished_for(wanted, layout)), None, Domains((wanted.domain,))
    there = site.server.state_dir.is_dir()
    done = [Step("there" if there else "made", f"{site.server.state_dir}, the state directory, mode 700")]
    with open_directory(Invocation(str(layout.site_file), as_json=False)) as directory:
        done += [*steps.domain(hand, directory, wanted.domain), steps.keys(hand, directory, wanted.domain)]
        step, password = steps.account(hand, directory, wanted.address)
        done += [step, *steps.postmaster(hand, directory, wanted)]
        keys = tuple(key for key in directory.read(keys_of) if key.state != "gone")
        kept = directory.read(directory.domains)
    return done, password, Domains((wanted.domain,), frozenset(kept) - {wanted.domain}, keys)
