"""`mta dkim`: the keys that sign mail."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

import click

from twistedmail_mta.cli.dkim_dns import published
from twistedmail_mta.cli.dkim_text import as_object, named, records, row
from twistedmail_mta.cli.hosting import OpenDirectory, as_domain, confirm, open_directory, report
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.dkim_rotation import RETIRED_FOR
from twistedmail_mta.directory.dkim_rows import (
    State,
    StoredKey,
    add_keys,
    in_use,
    keys_of,
    new_pair,
    next_generation,
    set_state,
    switch,
    waiting,
)
from twistedmail_mta.interfaces import Transaction

NOT_SHOWN: Final = 1
"""Exit status where the DNS doesn't show what it should."""

_domain = click.argument("domain", metavar="DOMAIN", callback=as_domain)


@click.group()
def dkim() -> None:
    """Make the keys that sign a domain's mail, publish them, let them sign, renew them.

    Keys come in pairs, RSA of 2048 bits and Ed25519, named by year and letter,
    such as 2026a.  A pair is made, published by you in the DNS, signs, and is
    retired when the next one signs; then its records stay for two weeks, for
    mail that is still on its way.
    """


@dkim.command()
@_domain
@pass_invocation
def create(invocation: Invocation, domain: str) -> None:
    """Make a pair of keys, and print the records to publish.

    If the domain has none that signs, the server lets these sign as soon as
    the DNS shows them; else `mta dkim rotate` does.
    """
    with open_directory(invocation) as directory:
        keys = directory.read(partial(_demanded, directory, domain))
        if pair := waiting(keys):
            raise DirectoryError(f"{domain} has new keys already: mta dkim show {domain} {pair[0].generation}")
        made = make_pair(directory, domain, keys)
    _print_new(invocation, made)


@dkim.command(name="list")
@click.argument("domain", metavar="[DOMAIN]", required=False, callback=as_domain)
@pass_invocation
def list_(invocation: Invocation, domain: str | None) -> None:
    """List the keys of a domain, or of all."""
    with open_directory(invocation) as directory:
        keys = directory.read(partial(keys_of, domain=domain))
    if invocation.as_json:
        print_json([as_object(key) for key in keys])
        return
    columns = ["Domain", "Pair", "Selector", "Kind", "State", "Since"]
    print_table(columns, [row(key) for key in keys], "There are no keys: mta dkim create DOMAIN makes some.")


@dkim.command()
@_domain
@click.argument("pair", metavar="[PAIR]", required=False)
@click.option("--check", is_flag=True, help="Ask the DNS; exit status 1 if it doesn't show all of them.")
@pass_invocation
def show(invocation: Invocation, domain: str, pair: str | None, *, check: bool) -> None:
    """Print the records that belong into the DNS, as a zone file has them.

    Of all pairs that are to be there, or of one.
    """
    with open_directory(invocation) as directory:
        found = [key for key in directory.read(partial(keys_of, domain=domain)) if pair in (None, key.generation)]
    keys = [key for key in found if key.state != "gone"]
    if not keys:
        gone = f"the keys {pair} of {domain} aren't needed any more" if found and pair else None
        raise DirectoryError(gone or f"{domain} has no {f'keys {pair}' if pair else 'keys'}")
    seen = published(invocation.chosen_site().site, keys) if check else {}
    if invocation.as_json:
        print_json([as_object(key, seen.get(key.name)) for key in keys])
    else:
        click.echo(records(keys, seen), nl=False)
    if check and any(each != "yes" for each in seen.values()):
        sys.exit(NOT_SHOWN)


@dkim.command()
@_domain
@click.option("--force", is_flag=True, help="Let the new keys sign though the DNS doesn't show them yet.")
@pass_invocation
def rotate(invocation: Invocation, domain: str, *, force: bool) -> None:
    """Let a new pair sign, and retire the one that did.

    Where there is none it is made first, to be published.  It signs only if
    the DNS shows it; exit status 1 if it doesn't.
    """
    with open_directory(invocation) as directory:
        keys = directory.read(partial(_demanded, directory, domain))
        pair = waiting(keys)
        if not pair:
            _print_new(invocation, make_pair(directory, domain, keys))
            return
        generation = pair[0].generation
        seen = {} if force else published(invocation.chosen_site().site, pair)
        if any(each != "yes" for each in seen.values()):
            if invocation.as_json:
                print_json([as_object(key, seen.get(key.name)) for key in pair])
            else:
                click.echo(records(pair, seen), nl=False)
                click.echo(f"Not switched: the DNS doesn't show all keys of {generation} yet.", err=True)
            sys.exit(NOT_SHOWN)
        directory.change(partial(_switch, domain, generation, time.time()))
    old = in_use(keys)
    before = f"; {old[0].generation} is retired, leave its records for two weeks" if old else ""
    words = f"Mail of {domain} is signed with {generation} from now on{before}."
    report(invocation, words, {"signing": generation, "retired": old[0].generation if old else None})


@dkim.command()
@_domain
@click.argument("pair", metavar="PAIR")
@click.option("--force", is_flag=True, help="Give its records up though mail that it signed may be on its way.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@pass_invocation
def retire(invocation: Invocation, domain: str, pair: str, *, force: bool, yes: bool) -> None:
    """Let a pair sign no more; of one that doesn't, give up its records.

    The private keys are deleted.
    """
    with open_directory(invocation) as directory:
        keys = named(directory.read(partial(keys_of, domain=domain)), pair)
        now, state = time.time(), keys[0].state
        if state == "gone":
            raise DirectoryError(f"{pair} of {domain} is given up already")
        if state == "retired" and now - keys[0].changed_at < RETIRED_FOR and not force:
            raise DirectoryError(f"mail that {pair} has signed may still be on its way: wait two weeks, or say --force")
        if state == "signing":
            confirm(f"Mail of {domain} won't be signed any more. Retire {pair}?", yes=yes)
        after: State = "retired" if state == "signing" else "gone"
        directory.change(partial(_set_state, domain, pair, after, now))
    words = (
        f"{pair} of {domain} signs no more; leave its records for two weeks."
        if after == "retired"
        else f"{pair} of {domain} isn't needed any more: remove its records."
    )
    report(invocation, words, {"pair": pair, "state": after})


def _demanded(directory: OpenDirectory, domain: str, tx: Transaction) -> Sequence[StoredKey]:
    """Return the keys of a domain whose mail may be signed here: a hosted one, or that of this host's name."""
    host = directory.site.server.hostname
    is_above_host = "." in domain and f".{host}".endswith(f".{domain}")
    if domain not in directory.domains(tx) and not is_above_host:
        raise DirectoryError(f"{domain} isn't hosted here")
    return keys_of(tx, domain)


def make_pair(directory: OpenDirectory, domain: str, keys: Sequence[StoredKey]) -> Sequence[StoredKey]:
    """Make the next pair of keys of a domain that has some, or none."""
    now = time.time()
    made = new_pair(domain, next_generation(keys, time.gmtime(now).tm_year), now)
    directory.change(partial(_add, made))
    return made


def _print_new(invocation: Invocation, made: Sequence[StoredKey]) -> None:
    if invocation.as_json:
        print_json([as_object(key) for key in made])
        return
    domain, generation = made[0].domain, made[0].generation
    click.echo(records(made, {}), nl=False)
    click.echo(f"Made {generation} for {domain}. Publish these records, then: mta dkim rotate {domain}", err=True)


def _add(keys: Sequence[StoredKey], tx: Transaction) -> None:
    add_keys(tx, keys)


def _switch(domain: str, generation: str, now: float, tx: Transaction) -> None:
    switch(tx, domain, generation, now)


def _set_state(domain: str, generation: str, state: State, now: float, tx: Transaction) -> None:
    set_state(tx, domain, generation, state, now)
