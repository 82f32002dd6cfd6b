"""The files in the state directory: certificates with their keys, the account's key, what is remembered.

They are for the server's user alone.  One thread writes them; whoever reads
sees a file as it was or as it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from twistedmail_mta.acme.record import Record, as_object, believable, from_object, opens_at, renews_at
from twistedmail_mta.config.acme import FOLDER, ACMETable, certificate_file
from twistedmail_mta.config.site import Site
from twistedmail_mta.private_file import write_private
from twistedmail_mta.tls.certificates import (
    CertificateError,
    Identity,
    key_pem,
    read_identity,
    self_signed,
)

ACCOUNT_FILE: Final = "account.key"
_SPREADS: Final = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one certificate.

    Attributes:
        name: the host it is for.
        identity: what is shown; None before the server's first start.
        record: what came of the requests.
        renews_at: when it is due, in seconds since the epoch; 0 for at once.
    """

    name: str
    identity: Identity | None
    record: Record
    renews_at: float

    @property
    def is_issued(self) -> bool:
        """Whether an authority vouches for it."""
        return self.identity is not None and not self.identity.is_self_signed

    def days_left(self, now: float) -> float:
        """Return for how many days the certificate is good, at a time in seconds since the epoch."""
        if self.identity is None:
            return 0.0
        return (self.identity.certificate.not_valid_after_utc.timestamp() - now) / 86400

    def next_at(self, *, asked: bool = False) -> float:
        """Return when it is asked for next; `asked`: by an operator, at the soonest."""
        opens = opens_at(self.record, asked=asked)
        return opens if asked else max(opens, self.renews_at)


def standing(state_dir: Path, name: str, table: ACMETable, now: float) -> Standing:
    """Read how it stands with one certificate; blocks.

    Args:
        state_dir: where its files are.
        name: the host.
        table: what the site file wants.
        now: seconds since the epoch.

    Raises:
        CertificateError: the file is damaged.
        OSError: a file can't be read.
    """
    file, record = certificate_file(state_dir, name), believable(read_record(state_dir, name), now)
    if not file.exists():
        return Standing(name, None, record, 0.0)
    identity = read_identity(file, file)
    return Standing(name, identity, record, _due(identity, record, table))


def _due(identity: Identity, record: Record, table: ACMETable) -> float:
    """Return when a certificate is to be replaced: at once where it isn't from the authority of the site file."""
    if identity.is_self_signed or record.directory not in {"", table.directory}:
        return 0.0
    certificate = identity.certificate
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return renews_at(begins, ends, certificate.serial_number % _SPREADS / _SPREADS)


def provide(site: Site) -> None:
    """See that there is something to show for each name, if only a self-signed certificate; blocks.

    Raises:
        CertificateError: a file is there and can't be read.
        OSError: a file can't be written.
    """
    for name in site.acme_names:
        provide_for(site.server.state_dir, name)


def provide_for(state_dir: Path, name: str) -> None:
    """See that there is something to show for one name; as `provide`."""
    (state_dir / FOLDER).mkdir(mode=0o700, exist_ok=True)
    file = certificate_file(state_dir, name)
    try:
        read_identity(file, file)
    except CertificateError as error:
        if isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, FileNotFoundError):
            raise
        write_identity(file, self_signed([name], datetime.now(UTC)))


def write_identity(file: Path, identity: Identity) -> None:
    """Write a key and its certificates into one file, so that they change together; blocks.

    Raises:
        OSError: it can't be written.
    """
    write_private(file, key_pem(identity.key) + chain_pem(identity))


def chain_pem(identity: Identity) -> bytes:
    """Return the certificates of an identity in PEM form."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in identity.chain)


def account_key(state_dir: Path) -> bytes:
    """Return the key that the authority knows this server by, in PEM form; it is made when there is none; blocks.

    Raises:
        OSError: it can't be read, or can't be written.
    """
    file = state_dir / FOLDER / ACCOUNT_FILE
    if not file.exists():
        write_private(file, key_pem(ec.generate_private_key(ec.SECP256R1())))
    return file.read_bytes()


def read_record(state_dir: Path, name: str) -> Record:
    """Return what is remembered of a certificate; nothing where there is no file, or a damaged one; blocks.

    Raises:
        OSError: the file can't be read.
    """
    try:
        return from_object(json.loads(_record_file(state_dir, name).read_bytes()))
    except (FileNotFoundError, ValueError):
        return Record()


def write_record(state_dir: Path, name: str, record: Record) -> None:
    """Remember; blocks.

    Raises:
        OSError: the file can't be written.
    """
    write_private(_record_file(state_dir, name), json.dumps(as_object(record)).encode())


def _record_file(state_dir: Path, name: str) -> Path:
    return state_dir / FOLDER / f"{name}.json"
