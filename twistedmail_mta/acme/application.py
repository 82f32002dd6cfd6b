"""What an authority is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from twistedmail_mta.acme.challenges import Challenges
from twistedmail_mta.config.acme import ACMETable, ChallengeName, ExternalAccountTable, KeyType
from twistedmail_mta.tls.certificates import Identity, key_pem

_LIBRARIES: Final = ("acme.client", "josepy")
"""What takes long to import, so it is done before the server serves: when its site file is looked at."""


class NotIssued(Exception):
    """The authority has issued nothing; the text says why, with its words where it had any."""


@dataclass(frozen=True, slots=True)
class Application:
    """One request for a certificate.

    Attributes:
        directory: the authority's.
        ca_file: who vouches for that; None: the system's authorities.
        email: whom it may write to; empty for nobody.
        account_key: by which it knows us, in PEM form.
        name: the host.
        challenge: how it is to look whether the name is ours.
        key: the kind of its key.
        kept_key: the key to go on with, in PEM form; None: a new one is made.
        external: the customer's account that ours is to belong to; None for authorities that want none.
    """

    directory: str
    ca_file: Path | None
    email: str
    account_key: bytes
    name: str
    challenge: ChallengeName
    key: KeyType
    kept_key: bytes | None
    external: ExternalAccountTable | None = None


Obtain = Callable[[Application, Challenges], Identity]
"""Asks for a certificate, has the challenge answered meanwhile, and blocks; raises `NotIssued`."""


def application_for(name: str, table: ACMETable, account_key: bytes, kept: PrivateKeyTypes | None) -> Application:
    """Return what the site file wants for a name.

    Args:
        name: the host.
        table: the site file's.
        account_key: in PEM form.
        kept: the key it has, to go on with if it is of the kind wanted: TLSA records name keys, and so outlive
            renewals (RFC 7671 section 8.1); None: a new one is wanted.
    """
    return Application(
        directory=table.directory,
        ca_file=table.ca_file,
        email=str(table.email) if table.email is not None else "",
        account_key=account_key,
        name=name,
        challenge=table.challenge,
        key=table.key,
        kept_key=key_pem(kept) if kept is not None and _kind(kept) == table.key else None,
        external=table.external_account,
    )


def _kind(key: PrivateKeyTypes) -> str:
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name == "secp256r1":
            return "ecdsa-p256"
        case rsa.RSAPrivateKey():
            return f"rsa-{key.key_size}"
    return "other"


def ask_authority(application: Application, answers: Challenges) -> Identity:
    """Ask the authority itself; blocks.

    Raises:
        NotIssued: it has issued nothing.
    """
    from twistedmail_mta.acme.authority import obtain  # noqa: PLC0415 - an extra, and slow to import

    return obtain(application, answers)


def shortcoming() -> str | None:
    """Return what keeps this installation from asking an authority, or None."""
    try:
        for name in _LIBRARIES:
            import_module(name)
    except ImportError as error:
        return f"needs more: pip install 'twistedmail-mta[acme]' ({error})"
    return None
