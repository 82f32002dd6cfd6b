"""The whole site as frozen models; attribute names are the names in the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from twistedmail_mta.config.roles import ROLES, Role, RoleName
from twistedmail_mta.config.secrets import secret_source
from twistedmail_mta.config.values import (
    Addresses,
    Domain,
    DomainPatterns,
    Duration,
    Durations,
    Endpoints,
    FilePath,
    Mailbox,
    Networks,
    Size,
    Table,
    file_path,
    sequence,
)
from twistedmail_mta.model import NextHop, RelayLogin, Route, TLSLevel
from twistedmail_mta.routes import parse_via

Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1)]
Wait = Annotated[Duration, Field(gt=0)]
Bytes = Annotated[Size, Field(ge=1024)]

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
    raise ValueError('relay_to must be "smtp://HOST[:PORT]", "smtps://HOST[:PORT]" or "mx"')


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
        _next_hop(self.relay_to, self.tls)
        return self

    def next_hop(self, outbound: OutboundTable) -> NextHop:
        """Return where the domain's mail goes; with "mx" its host is still empty."""
        return _next_hop(self.relay_to, self.tls, outbound.port)


class SessionLimits(Table):
    """Limits that a listener may set for itself; None: what [limits] or the role says.

    Attributes:
        message_size: octets of a message, announced by SIZE (RFC 1870).
        header_size: octets of a message's header.
        line_length: octets of a line of a message.
        recipients: of one message.
        connections_per_client: at once from one IPv4 address or IPv6 /64.
        commands: of a session between two messages.
        errors_before_delay: failed commands before each further one is answered slowly.
        errors: failed commands before the connection is closed.
        hops: Received fields of a message (RFC 5321 section 6.3).
        idle: seconds without a command or data.
        transaction: seconds from MAIL to the end of the data.
    """

    message_size: Bytes | None = None
    header_size: Bytes | None = None
    line_length: Bytes | None = None
    recipients: Count | None = None
    connections_per_client: Count | None = None
    commands: Count | None = None
    errors_before_delay: Count | None = None
    errors: Count | None = None
    hops: Count | None = None
    idle: Wait | None = None
    transaction: Wait | None = None


class LimitsTable(Table):
    """[limits]: as `SessionLimits`, for all listeners.

    Attributes:
        connections: at once, on all listeners together.
        recipients: None: what the role says.
        connections_per_client: None: what the role says.
    """

    connections: Count = 2000
    message_size: Bytes = 50 << 20
    header_size: Bytes = 256 << 10
    line_length: Bytes = 1 << 20
    recipients: Count | None = None
    connections_per_client: Count | None = None
    commands: Count = 1000
    errors_before_delay: Count = 5
    errors: Count = 20
    hops: Count = 100
    idle: Wait = 300.0
    transaction: Wait = 3600.0


class ListenTable(Table):
    """[listen.NAME]: where we listen, and in which role.

    Attributes:
        endpoint: Twisted's server endpoint strings, one or more.
        role: decides what is allowed there.
        tls: "starttls", or "implicit" from the first octet (RFC 8314 section 3).
        plaintext_login: networks that may log in without TLS.
        strict: refuse messages with bare CR or LF instead of mending them.
        hide_client: leave the client's address out of Received.
        limits: what differs from [limits] here.
    """

    endpoint: Annotated[Endpoints, Field(min_length=1)]
    role: RoleName
    tls: Literal["starttls", "implicit"] = "starttls"
    plaintext_login: Networks = ()
    strict: bool = False
    hide_client: bool = False
    limits: SessionLimits = SessionLimits()

    @property
    def preset(self) -> Role:
        """What the role decides."""
        return ROLES[self.role]

    @model_validator(mode="after")
    def _role_allows(self) -> ListenTable:
        for key in ("plaintext_login", "hide_client"):
            if getattr(self, key) and not self.preset.offers_auth:
                raise ValueError(f"{key} has no meaning on a listener of role {self.role}: nobody logs in there")
        if self.tls == "implicit" and not self.preset.requires_tls:
            raise ValueError(f'tls = "implicit" has no meaning on a listener of role {self.role}')
        return self


class TimeoutsTable(Table):
    """[outbound.timeouts]: seconds for each step of a delivery (RFC 5321 section 4.5.3.2)."""

    connect: Wait = 30.0
    greeting: Wait = 300.0
    ehlo: Wait = 300.0
    mail: Wait = 300.0
    rcpt: Wait = 300.0
    data: Wait = 120.0
    block: Wait = 180.0
    final: Wait = 600.0


class OutboundTable(Table):
    """[outbound]: how mail leaves.

    Attributes:
        port: where MX hosts listen.
        allow_networks: addresses that may be MX targets although they are
            loopback, link-local or the like.
        tls: what is demanded of MX hosts.
        concurrency: most connections at once to one next hop.
        timeouts: see there.
    """

    port: Port = 25
    allow_networks: Networks = ()
    tls: TLSLevel = "opportunistic"
    concurrency: Count = 20
    timeouts: TimeoutsTable = TimeoutsTable()


class QueueTable(Table):
    """[queue]: when delivery is tried.

    Attributes:
        retry: waits after the first attempts, then 1.5 times more each time.
        retry_cap: the longest wait.
        lifetime: how long a recipient is tried before its sender is told.
        bounce_lifetime: the same for mail with a null sender.
        warn_after: ages at which a sender who logged in is told of a delay.
    """

    retry: Annotated[Durations, Field(min_length=1)] = (300.0, 600.0, 1200.0, 2400.0, 3600.0)
    retry_cap: Wait = 14400.0
    lifetime: Wait = 432000.0
    bounce_lifetime: Wait = 86400.0
    warn_after: Durations = (14400.0, 86400.0)

    @field_validator("retry")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if min(value) <= 0:
            raise ValueError("waits must be longer than nothing")
        return value


class MatchTable(Table):
    """What a route is for; an empty one is for everything.

    Attributes:
        to_domain: recipient domains: a name, `*.name` for all below it, or `*`;
            None matches all.
    """

    to_domain: Annotated[DomainPatterns, Field(min_length=1)] | None = None


class AuthTable(Table):
    """How we log in at a next hop; the password stands elsewhere.

    Attributes:
        user: the name.
        password_file: a file with the password.
        password: "env:NAME" or "credential:NAME".
    """

    user: str = Field(min_length=1)
    password_file: FilePath | None = None
    password: Annotated[str, BeforeValidator(secret_source)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> AuthTable:
        if (self.password_file is None) == (self.password is None):
            raise ValueError("needs either password_file or password")
        return self

    @property
    def login(self) -> RelayLogin:
        """The login, with the source that `read_secret` takes."""
        return RelayLogin(self.user, self.password or f"file:{self.password_file}")


class RouteTable(Table):
    """[[route]]: the first one that matches a recipient says where its mail goes.

    Attributes:
        match: which recipients.
        via: "smtp://HOST[:PORT]", "smtps://...", "mx", "discard" or "error:CODE TEXT".
        tls: what is demanded of the next hop; None: "required" with `auth`,
            else what [outbound] says.
        auth: how to log in there.
    """

    match: MatchTable
    via: str
    tls: TLSLevel | None = None
    auth: AuthTable | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> RouteTable:
        hop = parse_via(self.via, self.tls or "opportunistic")
        if self.auth is not None and (not isinstance(hop, NextHop) or hop.mx):
            raise ValueError("auth needs a via of smtp:// or smtps://")
        if self.auth is not None and self.tls == "opportunistic":
            raise ValueError('auth with tls = "opportunistic" could send the password in clear; say "required"')
        return self

    def route(self, outbound: OutboundTable) -> Route:
        """Return where the mail goes; with "mx" the next hop's host is still empty."""
        tls = self.tls or ("required" if self.auth else outbound.tls)
        return parse_via(self.via, tls, self.auth.login if self.auth else None, outbound.port)


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
    route: Annotated[tuple[RouteTable, ...], BeforeValidator(sequence)] = ()
