"""[acme]: certificates that an authority issues by itself (RFC 8555)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from twistedmail_mta.config.secrets import secret_source
from twistedmail_mta.config.values import Domain, FilePath, Mailbox, Table, sequence

FOLDER: Final = "acme"
"""Where in the state directory everything about it is."""

ChallengeName = Literal["http-01", "tls-alpn-01"]
KeyType = Literal["ecdsa-p256", "rsa-2048"]

_IMPLICIT: Final = {"http-01": False, "tls-alpn-01": True}
"""Whether TLS begins with the first octet where a challenge is answered."""


def _https(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("must be the https:// URL of an authority's directory (RFC 8555 section 6.1)")
    return text


def _agreed(value: object) -> object:
    if value is False:
        raise ValueError("must be true: nothing is asked for before the authority's terms of service are agreed to")
    return value


class ExternalAccountTable(Table):
    """[acme.external_account]: the customer's account that ours is to belong to (RFC 8555 section 7.3.4).

    Attributes:
        id: as the authority knows it.
        key_file: a file with its key, in base64url as authorities give it.
        key: where else that is: "env:NAME" or "credential:NAME".
    """

    id: str = Field(min_length=1, max_length=500)
    key_file: FilePath | None = None
    key: Annotated[str, BeforeValidator(secret_source)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ExternalAccountTable:
        if (self.key_file is None) == (self.key is None):
            raise ValueError("needs either key_file or key")
        return self

    @property
    def key_source(self) -> str:
        """Where the key is, as `read_secret` takes it."""
        return self.key or f"file:{self.key_file}"


class ACMETable(Table):
    """[acme]: who issues the certificates of this server, and for which names.

    Attributes:
        directory: the authority's directory.
        agree: its terms of service are agreed to (RFC 8555 section 7.3).
        email: whom it may write to.
        names: further names that clients connect to, beside the hostname; each gets a certificate of its own.
        challenge: how it sees that the names are this server's.
        key: the kind of the certificates' keys.
        ca_file: who vouches for the directory's own certificate; None: the system's authorities.
        external_account: whose customer asks, for authorities that want one.
    """

    directory: Annotated[str, AfterValidator(_https)]
    agree: Annotated[Literal[True], BeforeValidator(_agreed)]
    email: Mailbox | None = None
    names: Annotated[tuple[Domain, ...], BeforeValidator(sequence)] = ()
    challenge: ChallengeName = "http-01"
    key: KeyType = "ecdsa-p256"
    ca_file: FilePath | None = None
    external_account: ExternalAccountTable | None = None


def certificate_file(state_dir: Path, name: str) -> Path:
    """Return the file with the key and the certificates of a name."""
    return state_dir / FOLDER / f"{name}.pem"


def unanswered(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what in a site file keeps challenges from being answered: the keys that lead to it, and what it is."""
    table, listeners = document.get("acme"), document.get("listen")
    named = listeners.items() if isinstance(listeners, dict) else ()
    tables = [(name, each) for name, each in named if isinstance(each, dict)]
    answering = {name: each for name, each in tables if each.get("role") == "acme"}
    if not isinstance(table, dict):
        for name in answering:
            yield ("listen", name, "role"), "answers an authority's challenges, and there is no [acme]"
        return
    if "tls" in document:
        yield ("tls",), "has no meaning beside [acme], which provides the certificates"
    challenge = str(table.get("challenge", "http-01"))
    implicit = _IMPLICIT.get(challenge)
    if implicit:  # on port 443, which they share
        answering |= {name: each for name, each in tables if each.get("role") == "mta-sts"}
    if implicit is not None and all((each.get("tls") == "implicit") != implicit for each in answering.values()):
        how = ' or "mta-sts" with tls = "implicit", reached on port 443' if implicit else ", reached on port 80"
        yield ("acme", "challenge"), f'{challenge} is answered by a listener of role "acme"{how}; there is none'
