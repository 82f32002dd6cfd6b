"""The whole site as frozen models; attribute names are the names in the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from twistedmail_mta.config.lanes import LaneTable, distinct
from twistedmail_mta.config.listening import LimitsTable, ListenTable
from twistedmail_mta.config.reporting import ReportsTable
from twistedmail_mta.config.sending import NO_TLS_THERE, OutboundTable, QueueTable, RouteTable
from twistedmail_mta.config.values import Addresses, Domain, FilePath, Mailbox, Port, Table, Wait, file_path, sequence
from twistedmail_mta.model import NextHop, TLSLevel
from twistedmail_mta.routes import HOPS, parse_via

_MAX_STATE_DIR: Final = 90


def _short(path: Path) -> Path:
    if len(os.fsencode(path)) > _MAX_STATE_DIR:
        raise ValueError(f"is longer than {_MAX_STATE_DIR} octets, too long for the control socket in it")
    return path


class ServerTable(Table):
    """[server]: who we are.

    Attributes:
        hostname: the name in EHLO, Received and Message-ID.
        state_dir: database, bodies, control socket.
        admin: who gets mail to `<postmaster>`, and who reports name as contact.
        addresses: ours as others see us, for loop detection; empty: what the
            listeners are bound to.
        user: whom the server runs as once the ports are bound; None stays.
    """

    hostname: Domain
    state_dir: Annotated[FilePath, AfterValidator(_short)]
    admin: Mailbox
    addresses: Addresses = ()
    user: str | None = Field(default=None, min_length=1)


class DNSTable(Table):
    """[dns]: whom we ask.

    Attributes:
        nameservers: empty: those of /etc/resolv.conf.
        timeout: seconds for a question, all tries together.
        dnssec: whether the AD bit of the nameservers is believed.
    """

    nameservers: Addresses = ()
    port: Port = 53
    timeout: Wait = 5.0
    dnssec: Literal["probe", "trust", "off"] = "probe"


class CertificateTable(Table):
    """A certificate chain and its key, both PEM files."""

    certificate: FilePath
    key: FilePath


class TLSTable(CertificateTable):
    """[tls]: the certificate shown by default, and one for each further name (SNI)."""

    names: dict[Domain, CertificateTable] = Field(default_factory=dict)


def _relayed(value: object) -> object:
    if value is None:
        raise ValueError("is missing: without it the domain is hosted here, and this release has no mailboxes yet")
    return value


def _recipients(value: object, info: ValidationInfo) -> object:
    if value in ("callout", "any"):
        return value
    kind, _, path = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind == "file" and path:
        return f"file:{file_path(path, info)}"
    raise ValueError('must be "callout", "file:PATH" or "any"')


def _next_hop(via: str, tls: TLSLevel, port: int = 25) -> NextHop:
    match parse_via(via, tls, None, port):
        case NextHop() as hop:
            return hop
    raise ValueError(f"relay_to must be {HOPS}")


class DomainTable(Table):
    """[domains.NAME]: a domain we take mail for.

    Attributes:
        relay_to: where its mail goes, as a route's `via`; "mx" means hosts
            with a better preference than ours only.
        tls: what is demanded of that next hop.
        recipients: how its addresses are known: "callout" asks the next hop at
            RCPT, "file:PATH" lists them, "any" takes all.
    """

    relay_to: Annotated[str, BeforeValidator(_relayed)] = Field(default=None, validate_default=True)
    tls: TLSLevel = "opportunistic"
    recipients: Annotated[str, BeforeValidator(_recipients)] = "callout"

    @model_validator(mode="after")
    def _leads_somewhere(self) -> DomainTable:
        if _next_hop(self.relay_to, self.tls).is_socket and self.tls == "required":
            raise ValueError(NO_TLS_THERE)
        return self

    def next_hop(self, outbound: OutboundTable) -> NextHop:
        """Return where the domain's mail goes; with "mx" its host is still empty."""
        return _next_hop(self.relay_to, self.tls, outbound.port)


def _listeners(value: dict[str, ListenTable]) -> dict[str, ListenTable]:
    if not value:
        raise ValueError("names no listener, so no mail would ever arrive")
    return value


class Site(Table):
    """The site file."""

    config_version: Literal[1]
    server: ServerTable
    dns: DNSTable = DNSTable()
    tls: TLSTable | None = None
    domains: dict[Domain, DomainTable] = Field(default_factory=dict)
    listen: Annotated[dict[str, ListenTable], AfterValidator(_listeners)]
    limits: LimitsTable = LimitsTable()
    outbound: OutboundTable = OutboundTable()
    queue: QueueTable = QueueTable()
    reports: ReportsTable = ReportsTable()
    route: Annotated[tuple[RouteTable, ...], BeforeValidator(sequence)] = ()
    lane: Annotated[tuple[LaneTable, ...], BeforeValidator(sequence), AfterValidator(distinct)] = ()
