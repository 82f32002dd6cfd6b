"""The kinds of value the site file holds, each with a clear complaint."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final

import idna
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.secrets import credential_path
from twistedmail_mta.config.units import parse_duration, parse_size
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.model import Address
from twistedmail_mta.networks import Network

IPAddress = IPv4Address | IPv6Address

_LABELS = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?)*")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
_MAX_DOMAIN: Final = 255
NULL_SENDER: Final = "<>"
"""How patterns name the null reverse-path."""


class Table(BaseModel):
    """A table of the site file: every key is known, and nothing changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


def domain_name(text: object) -> str:
    """Return a domain in lower case, as A-labels (RFC 5890).

    Raises:
        ValueError: it is no domain name.
    """
    if not isinstance(text, str):
        raise ValueError("must be a domain name, in quotes")  # noqa: TRY004 - pydantic collects ValueErrors
    try:
        name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"{text!r} is no domain name: {error}") from error
    if len(name) > _MAX_DOMAIN or not _LABELS.fullmatch(name):
        raise ValueError(f"{text!r} is no domain name")
    return name


def zone_name(value: object) -> str:
    """Read a domain name, or "." for the root of all."""
    return "." if value == "." else domain_name(value)


def domain_pattern(text: object) -> str:
    """Return a domain, `*.domain` for all below it, or `*`, normalised like `domain_name`."""
    if text == "*":
        return "*"
    if isinstance(text, str) and text.startswith("*."):
        return "*." + domain_name(text[2:])
    return domain_name(text)


def mail_address(text: object) -> Address:
    """Return an address such as `postmaster@example.org`.

    Raises:
        ValueError: it is no plain address.
    """
    local, at, domain = text.rpartition("@") if isinstance(text, str) else ("", "", "")
    if not at or not _LOCAL.fullmatch(local):
        raise ValueError("must be an address such as postmaster@example.org")
    return Address(local, domain_name(domain))


def address_pattern(text: object) -> str:
    """Return a pattern of addresses in its normal form: "bob@example.org", "*@example.org", "*@*.example.org", "<>".

    Raises:
        ValueError: it is none.
    """
    local, at, domain = text.rpartition("@") if isinstance(text, str) else ("", "", "")
    if isinstance(text, str) and text in {NULL_SENDER, "*"}:
        return text
    if not at or not local:
        raise ValueError('must be an address, "*@example.org" or "<>"')
    return f"{local.lower()}@{domain_pattern(domain)}"


def account_pattern(text: object) -> str:
    """Return a pattern of accounts in its normal form: "bob@example.org", "*@example.org", "*" for every login.

    Raises:
        ValueError: it is none.
    """
    if text == NULL_SENDER:
        raise ValueError('must be an account, "*@example.org" or "*"')
    return address_pattern(text)


def network(text: object) -> Network:
    """Return a network such as `127.0.0.0/8`; a lone address is a network of one."""
    if not isinstance(text, str):
        raise ValueError('must be a network such as "192.0.2.0/24", in quotes')  # noqa: TRY004 - pydantic collects ValueErrors
    return ip_network(text)


def address(text: object) -> IPAddress:
    """Return an IP address."""
    if not isinstance(text, str):
        raise ValueError('must be an IP address such as "192.0.2.1", in quotes')  # noqa: TRY004 - pydantic collects ValueErrors
    return ip_address(text)


def file_path(text: object, info: ValidationInfo) -> Path:
    """Return an absolute path: relative ones are taken from the site file's folder.

    `credential:NAME` is a file of systemd's LoadCredential.
    """
    if not isinstance(text, str) or not text:
        raise ValueError("must be a path, in quotes")
    if text.startswith("credential:"):
        return credential_path(text.removeprefix("credential:"))
    folder: Path = (info.context or {}).get("folder", Path("/"))
    return folder / text


def endpoint(text: object) -> str:
    """Return an endpoint string, checked."""
    if not isinstance(text, str):
        raise ValueError('must be an endpoint such as "tcp:25", in quotes')  # noqa: TRY004 - pydantic collects ValueErrors
    parse_endpoint(text)
    return text


def sequence(value: object) -> object:
    """Turn TOML's arrays into tuples."""
    return tuple(value) if isinstance(value, list) else value


def one_or_more(value: object) -> object:
    """Accept a lone value where several may stand."""
    return sequence(value) if isinstance(value, list) else (value,)


def _read_by(reader: Callable[..., Any]) -> BeforeValidator:
    return BeforeValidator(reader)


Duration = Annotated[float, _read_by(parse_duration)]
Size = Annotated[int, _read_by(parse_size)]
Domain = Annotated[str, _read_by(domain_name)]
Zone = Annotated[str, _read_by(zone_name)]
DomainPattern = Annotated[str, _read_by(domain_pattern)]
Mailbox = Annotated[Address, _read_by(mail_address)]
MailboxName = Annotated[str, AfterValidator(mailbox_name)]
FilePath = Annotated[Path, _read_by(file_path)]
EndpointText = Annotated[str, _read_by(endpoint)]
NetworkValue = Annotated[Network, _read_by(network)]
AddressValue = Annotated[IPAddress, _read_by(address)]

Endpoints = Annotated[tuple[EndpointText, ...], _read_by(one_or_more)]
DomainPatterns = Annotated[tuple[DomainPattern, ...], _read_by(one_or_more)]
AddressPatterns = Annotated[tuple[Annotated[str, _read_by(address_pattern)], ...], _read_by(one_or_more)]
AccountPatterns = Annotated[tuple[Annotated[str, _read_by(account_pattern)], ...], _read_by(one_or_more)]
Networks = Annotated[tuple[NetworkValue, ...], _read_by(sequence)]
Addresses = Annotated[tuple[AddressValue, ...], _read_by(sequence)]
Durations = Annotated[tuple[Duration, ...], _read_by(sequence)]

Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1)]
Wait = Annotated[Duration, Field(gt=0)]
Bytes = Annotated[Size, Field(ge=1024)]
