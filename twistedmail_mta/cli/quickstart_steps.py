"""The steps of `mta quickstart`: each looks what is there, leaves it as it is, and makes what lacks."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal

import click

from twistedmail_mta.acme.files import chain_pem
from twistedmail_mta.cli.dkim import make_pair
from twistedmail_mta.cli.hosting import OpenDirectory, demand_home
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.alias_rows import add_targets, find_alias
from twistedmail_mta.directory.aliases import alias_key, make_alias
from twistedmail_mta.directory.dkim_rows import keys_of
from twistedmail_mta.directory.domain_rows import add_domain
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.passwords import PasswordHash
from twistedmail_mta.directory.tables import add_account, find_account
from twistedmail_mta.founding.layout import Layout
from twistedmail_mta.founding.site_file import Wanted
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.private_file import AS_IT_IS, write_private
from twistedmail_mta.privileges import PrivilegeError, find_user
from twistedmail_mta.tls.certificates import key_pem, self_signed

_LENGTH: Final = 12
"""Octets of chance in a password: 96 bits, 16 letters."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one thing that a site needs.

    Attributes:
        state: "made" just now, "there" already, or "wanted" where nothing is to be changed.
        what: it, in words.
        text: what a file would hold, where it is only wanted.
    """

    state: Literal["made", "there", "wanted"]
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Hand:
    """Makes things, or only says that it would.

    Attributes:
        dry: nothing is to be changed.
        group: the user whose group may read what root owns; None: whoever calls owns it alone.
    """

    dry: bool
    group: str | None

    def step(self, what: str, *, there: bool, make: Callable[[], object], text: str = "") -> Step:
        """Make something unless it is there."""
        if there:
            return Step("there", what)
        if self.dry:
            return Step("wanted", what, text)
        make()
        return Step("made", what)

    def file(self, path: Path, text: str, what: str, mode: int = 0o640) -> Step:
        """Write a file unless it is there; nobody sees half of it."""
        said = f"{path}, {what}, mode {mode:o}"
        return self.step(said, there=path.exists(), make=partial(self._write, path, text, mode), text=text)

    def folder(self, path: Path, mode: int) -> None:
        """Make a folder for files of the site; those above it are open to all."""
        if path.exists():
            return
        owner = self.owner  # before anything is made: there may be no such user
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
        descriptor = os.open(path, _FOLDER)  # nobody can put a link in its place from here on
        try:
            os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    @property
    def owner(self) -> tuple[int, int]:
        """Who gets what root makes: the group of the server's user; `AS_IT_IS` for anybody else.

        Raises:
            PrivilegeError: there is no such user.
        """
        return AS_IT_IS if self.group is None or os.geteuid() != 0 else (-1, find_user(self.group).gid)

    @property
    def private(self) -> int:
        """The mode of what is secret: the server's group reads what root owns, and no group what is one's own."""
        return 0o640 if self.group is not None and (self.dry or os.geteuid() == 0) else 0o600

    def _write(self, path: Path, text: str, mode: int) -> None:
        self.folder(path.parent, 0o755)
        write_private(path, text.encode(), mode, self.owner)


def system_user(hand: Hand, name: str, home: Path) -> Step:
    """Make the user of the server."""
    command = ["useradd", "--system", "--home-dir", str(home), "--shell", "/usr/sbin/nologin", "--user-group", name]
    return hand.step(f"the user {name}: {' '.join(command)}", there=_exists(name), make=partial(_useradd, command))


def certificate(hand: Hand, site: Site) -> Iterator[Step]:
    """Make a self-signed certificate where the site file names files that aren't there."""
    if site.acme is not None or site.tls is None:
        return
    file, key, host = site.tls.certificate, site.tls.key, site.server.hostname

    def make() -> None:
        hand.folder(file.parent, 0o750)
        hand.folder(key.parent, 0o750)
        identity = self_signed([host], datetime.now(UTC))
        write_private(key, key_pem(identity.key), hand.private, hand.owner)
        write_private(file, chain_pem(identity), hand.private, hand.owner)

    what = f"{file} and {key}, a self-signed certificate for {host}, mode {hand.private:o}"
    yield hand.step(what, there=file.exists() or key.exists(), make=make)


def wished_for(wanted: Wanted, layout: Layout) -> Iterator[Step]:
    """Yield what would come into a state directory that isn't there."""
    yield Step("wanted", f"{layout.state_dir}, the state directory, mode 700")
    yield Step("wanted", f"DKIM keys of {wanted.domain}, RSA of 2048 bits and Ed25519")
    yield Step("wanted", f"the account {wanted.address}, with a password that is shown once")
    if wanted.address != wanted.postmaster:
        yield Step("wanted", f"the alias {wanted.postmaster}, which leads to {wanted.address}")


def domain(hand: Hand, directory: OpenDirectory, name: str) -> Iterator[Step]:
    """See that mail of the domain is kept here, where the site file doesn't say so itself."""
    if name in directory.site.hosted:
        return
    if name in directory.site.relayed:
        raise click.ClickException(f"the site file has mail of {name} sent on, so it can't be kept here")
    there = name in directory.read(directory.domains)
    make = partial(directory.change, partial(_add_domain, name))
    yield hand.step(f"the domain {name}, kept here", there=there, make=make)


def keys(hand: Hand, directory: OpenDirectory, name: str) -> Step:
    """See that the domain has DKIM keys."""
    found = directory.read(partial(keys_of, domain=name))
    what = f"DKIM keys of {name}, RSA of 2048 bits and Ed25519"
    return hand.step(what, there=bool(found), make=partial(make_pair, directory, name, found))


def account(hand: Hand, directory: OpenDirectory, name: str) -> tuple[Step, str | None]:
    """See that there is a first account; return its password if it was made."""
    password = secrets.token_urlsafe(_LENGTH)
    there = directory.read(partial(_leads_somewhere, name))
    stored = None if there or hand.dry else PasswordHash().store(password)

    def add(tx: Transaction) -> None:
        home = demand_home(directory, name, tx)
        add_account(tx, name, stored, time.time(), separators="+" if home is None else home.subaddress)

    step = hand.step(f"the account {name}", there=there, make=partial(directory.change, add))
    return step, password if step.state == "made" else None


def postmaster(hand: Hand, directory: OpenDirectory, wanted: Wanted) -> Iterator[Step]:
    """See that somebody reads what is for the postmaster (RFC 5321 section 4.5.1)."""
    name = wanted.postmaster
    if name == wanted.address:
        return

    def add(tx: Transaction) -> None:
        add_targets(tx, [make_alias(name, [wanted.address])])

    make = partial(directory.change, add)
    what = f"the alias {name}, which leads to {wanted.address}"
    yield hand.step(what, there=directory.read(partial(_leads_somewhere, name)), make=make)


def told(steps: Sequence[Step]) -> Iterator[str]:
    """Yield steps as lines."""
    words = {"made": "made", "there": "there already", "wanted": "would make"}
    for step in steps:
        yield f"{words[step.state]}: {step.what}"
        yield from (f"    {line}".rstrip() for line in step.text.splitlines())


def _leads_somewhere(name: str, tx: Transaction) -> bool:
    return find_account(tx, name) is not None or find_alias(tx, alias_key(name)) is not None


def _exists(user: str) -> bool:
    with suppress(PrivilegeError):
        return bool(find_user(user))
    return False


def _useradd(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - no shell, and our own words
    except FileNotFoundError as error:
        raise click.ClickException(f"there is no useradd here: make the user {command[-1]} by hand") from error
    except subprocess.CalledProcessError as error:
        raise click.ClickException(f"{' '.join(command)}: {error.stderr.strip()}") from error


def _add_domain(name: str, tx: Transaction) -> None:
    add_domain(tx, HostedDomain(name))
