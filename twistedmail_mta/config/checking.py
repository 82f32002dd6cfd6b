"""[[checker]]: who says whether a password is right; one table for each kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from twistedmail_mta.config.sending import AuthTable
from twistedmail_mta.config.values import Count, Domain, FilePath, Table, Wait, sequence

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS: Final = ("address", "local", "domain")
_URLS: Final = "must be ldaps://HOST[:PORT], ldap://HOST[:PORT] or ldapi://PATH with %2F for each slash"
_SERVICE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", re.ASCII)
_NAMES_NO_DOMAIN: Final = "leaves the domain out of the name, so domains must say whose names it is for"


def _template(value: object) -> object:
    """Check the placeholders of a text that holds a name."""
    if not isinstance(value, str):
        return value
    found = _PLACEHOLDER.findall(value)
    if not found or any(name not in _PLACEHOLDERS for name in found):
        raise ValueError("must hold {address}, or {local} and {domain}, where the name goes")
    return value


def _service(value: str) -> str:
    if not _SERVICE.fullmatch(value):
        raise ValueError("must be the name of a file in /etc/pam.d")
    return value


Template = Annotated[str, BeforeValidator(_template)]


class NamesTable(Table):
    """What every checker has.

    Attributes:
        domains: only names at these are asked about; empty: all.
    """

    domains: Annotated[tuple[Domain, ...], BeforeValidator(sequence)] = ()


class InternalTable(NamesTable):
    """The passwords in our own database."""

    use: Literal["internal"]


class PasswdFileTable(NamesTable):
    """A file of names and hashes in Dovecot's form.

    Attributes:
        path: the file.
        domain: where names without one belong; None: they are mistakes.
    """

    use: Literal["passwd-file"]
    path: FilePath
    domain: Domain | None = None


@dataclass(frozen=True, slots=True)
class LDAPServer:
    """Where an LDAP server is.

    Attributes:
        host: its name or address, or the path of a unix socket.
        port: 0 for a unix socket.
        implicit_tls: whether TLS comes before the first octet.
    """

    host: str
    port: int
    implicit_tls: bool


class LDAPTable(NamesTable):
    """A directory that lets people bind with their passwords.

    Attributes:
        url: where it is.
        tls: "none" only for a server on this host.
        user_dn: the name to bind with, in which placeholders stand for the login; or
        base: below which the entry is searched,
        filter: by which, with placeholders,
        auth: and as whom; None: anonymously.
        ca_file: who vouches for the server; None: the system's authorities.
        timeout: seconds for one question in all.
        connections: most at once.
    """

    use: Literal["ldap"]
    url: str
    tls: Literal["required", "none"] = "required"
    user_dn: Template | None = None
    base: Annotated[str, Field(min_length=1)] | None = None
    filter: Template | None = None
    auth: AuthTable | None = None
    ca_file: FilePath | None = None
    timeout: Wait = 5.0
    connections: Count = 8

    @property
    def server(self) -> LDAPServer:
        """Where it is."""
        return _ldap_server(self.url)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        server = self.server
        if self.tls == "none" and server.port and (server.implicit_tls or not _is_loopback(server.host)):
            raise ValueError(
                'tls = "none" is for ldap:// to this host alone: passwords would cross the network in clear'
            )
        searches = self.base is not None and self.filter is not None
        if searches == (self.user_dn is not None) or (self.user_dn is not None and (self.base or self.filter)):
            raise ValueError("needs either user_dn, or base and filter")
        if self.auth is not None and not searches:
            raise ValueError("auth has no meaning with user_dn: nothing is searched")
        if not self.domains and not _names_domain(self.user_dn or self.filter or ""):
            raise ValueError(f"{'filter' if searches else 'user_dn'} {_NAMES_NO_DOMAIN}")
        return self


class PAMTable(NamesTable):
    """The system's PAM.

    Attributes:
        service: the file in /etc/pam.d.
        user: what PAM is given as name: the whole address, or what stands before its "@".
        timeout: seconds for one question.
        connections: most questions at once; each takes a thread.
    """

    use: Literal["pam"]
    service: Annotated[str, AfterValidator(_service)] = "mta"
    user: Literal["address", "local"] = "address"
    timeout: Wait = 10.0
    connections: Count = 4

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.user == "local" and not self.domains:
            raise ValueError(f'user = "local" {_NAMES_NO_DOMAIN}')
        return self


CheckerTable = Annotated[InternalTable | PasswdFileTable | LDAPTable | PAMTable, Field(discriminator="use")]


def one_internal(value: tuple[CheckerTable, ...]) -> tuple[CheckerTable, ...]:
    """Refuse a second internal checker.

    Raises:
        ValueError: it could only be asked in vain.
    """
    if sum(table.use == "internal" for table in value) > 1:
        raise ValueError('names use = "internal" twice')
    return value


def _ldap_server(url: str) -> LDAPServer:
    parts = urlsplit(url)
    if parts.scheme == "ldapi" and parts.netloc and not (parts.path or parts.query or parts.fragment):
        return LDAPServer(unquote(parts.netloc), 0, implicit_tls=False)
    if parts.scheme not in ("ldap", "ldaps") or not _is_bare(parts):
        raise ValueError(f"url {_URLS}")
    implicit = parts.scheme == "ldaps"
    return LDAPServer(parts.hostname or "", parts.port or (636 if implicit else 389), implicit)


def _is_bare(parts: SplitResult) -> bool:
    """Whether a URL is a host and perhaps a port, nothing else."""
    try:
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_place and parts.username is None and parts.path in ("", "/") and not (parts.query or parts.fragment)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _names_domain(template: str) -> bool:
    return "{address}" in template or "{domain}" in template
