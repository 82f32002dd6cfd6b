"""The tables about mail that leaves: [outbound], [queue] and [[route]]."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from twistedmail_mta.config.secrets import secret_source
from twistedmail_mta.config.values import (
    AccountPatterns,
    AddressPatterns,
    AddressValue,
    Count,
    Domain,
    DomainPatterns,
    Durations,
    FilePath,
    Networks,
    Port,
    Table,
    Wait,
    sequence,
)
from twistedmail_mta.model import NextHop, RelayLogin, Route, TLSLevel
from twistedmail_mta.routes import NO_TLS_THERE, parse_via


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


class SourceTable(Table):
    """An address that connections come from.

    Attributes:
        address: one of this host's.
        ehlo: our name there, as the address's PTR record has it; None: `server.hostname`.
    """

    address: AddressValue
    ehlo: Domain | None = None


def _source(value: object) -> object:
    """Accept a lone address where a table may stand."""
    return {"address": value} if isinstance(value, str) else value


def _each_once(value: tuple[SourceTable, ...]) -> tuple[SourceTable, ...]:
    if len({source.address for source in value}) < len(value):
        raise ValueError("names an address twice")
    return value


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


class WayTable(Table):
    """Where mail goes, and what is demanded there.

    Attributes:
        via: "smtp://HOST[:PORT]", "smtps://...", "lmtp://...", "lmtp+unix:/PATH", "maildir:/PATH", "mx",
            "discard" or "error:CODE TEXT".
        tls: what is demanded of the next hop; None: "required" with `auth`,
            else what [outbound] says.
        auth: how to log in there.
    """

    via: str
    tls: TLSLevel | None = None
    auth: AuthTable | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        hop = parse_via(self.via, self.tls or "opportunistic")
        if isinstance(hop, NextHop) and hop.is_here and self.tls == "required":
            raise ValueError(NO_TLS_THERE)
        if self.auth is not None and (not isinstance(hop, NextHop) or hop.mx or hop.lmtp or hop.local):
            raise ValueError("auth needs a via of smtp:// or smtps://")
        if self.auth is not None and self.tls == "opportunistic":
            raise ValueError('auth with tls = "opportunistic" could send the password in clear; say "required"')
        return self

    def route(self, outbound: OutboundTable) -> Route:
        """Return where the mail goes; with "mx" the next hop's host is still empty."""
        tls = self.tls or ("required" if self.auth else outbound.tls)
        return parse_via(self.via, tls, self.auth.login if self.auth else None, outbound.port)


class FallbackTable(WayTable):
    """[outbound.fallback]: who takes what MX hosts have not taken.

    Attributes:
        after: attempts by MX before it is asked.
    """

    after: Count = 3

    @model_validator(mode="after")
    def _is_a_host(self) -> Self:
        hop = parse_via(self.via, self.tls or "opportunistic")
        if not isinstance(hop, NextHop) or hop.mx or hop.local:
            raise ValueError("a fallback needs a via of smtp://, smtps:// or lmtp://")
        return self

    def next_hop(self, outbound: OutboundTable) -> NextHop:
        """Return the host."""
        hop = self.route(outbound)
        if not isinstance(hop, NextHop):
            raise TypeError("the table was not checked")
        return hop


class OutboundTable(Table):
    """[outbound]: how mail leaves.

    Attributes:
        port: where MX hosts listen.
        allow_networks: addresses that may be MX targets although they are
            loopback, link-local or the like.
        source_addresses: where connections come from; of several of one
            family each account or sender domain has its own; empty: the
            system's choice.
        prefer: the family of addresses that is tried first at each host.
        tls: what is demanded of MX hosts.
        dane: hosts have to be whom their TLSA records mean, where the name servers validate.
        mta_sts: hosts have to be whom the MTA-STS policy of the recipient's domain names.
        ca_file: authorities in PEM form that vouch for hosts where TLS is
            required, and for web servers; None: the system's.
        concurrency: most connections at once to one next hop.
        fallback: who takes what MX hosts have not taken; None: nobody.
        timeouts: see there.
    """

    port: Port = 25
    allow_networks: Networks = ()
    source_addresses: Annotated[
        tuple[Annotated[SourceTable, BeforeValidator(_source)], ...],
        BeforeValidator(sequence),
        AfterValidator(_each_once),
    ] = ()
    prefer: Literal["any", "ipv4", "ipv6"] = "any"
    tls: TLSLevel = "opportunistic"
    dane: bool = True
    mta_sts: bool = True
    ca_file: FilePath | None = None
    concurrency: Count = 20
    fallback: FallbackTable | None = None
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
    """What a route is for: all that is said must hold; an empty one is for everything.

    Attributes:
        to_domain: recipient domains: a name, `*.name` for all below it, or `*`;
            None matches all.
        sender: reverse-paths, named `from` in the file: "ann@example.org", "*@example.org", "*@*.example.org", "*",
            and "<>" for reports; None matches all.
        account: accounts that submitted the mail, as `sender`, "*" for every one; None matches all, and strangers.
    """

    to_domain: Annotated[DomainPatterns, Field(min_length=1)] | None = None
    sender: Annotated[AddressPatterns, Field(min_length=1)] | None = Field(default=None, alias="from")
    account: Annotated[AccountPatterns, Field(min_length=1)] | None = None


class RouteTable(WayTable):
    """[[route]]: the first one that matches a recipient, and whose mail it is, says where its mail goes.

    Attributes:
        match: which recipients, and of whose mail.
    """

    match: MatchTable
