"""The tables about clients: [limits] and [listen]."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.narrow import NarrowNetworks
from twistedmail_mta.config.roles import ROLES, Role, RoleName
from twistedmail_mta.config.values import Bytes, Count, Endpoints, Networks, Table, Wait, sequence

LEAST_AUTOLOGOUT: Final = {"pop3": 600.0, "imap": 1800.0}
"""Seconds that a client may be silent, by role."""

_AUTOLOGOUT_SOURCE: Final = {"pop3": "RFC 1939 section 3", "imap": "RFC 9051 section 5.4"}

_OF_INCOMING: Final = frozenset({"strict", "hide_client", "vrfy", "plugins"})
_OF_POP3: Final = frozenset({"login_delay", "exclusive"})
_KEYS: Final = {
    "pop3": _OF_POP3,
    "imap": frozenset[str](),
    **dict.fromkeys(("acme", "mta-sts", "metrics"), frozenset[str]()),
}
"""What means something where mail is fetched, by role; where it comes in, that is `_OF_INCOMING`."""

_LIMITS_OF_INCOMING: Final = frozenset(
    {"message_size", "header_size", "line_length", "recipients", "commands", "hops", "transaction"}
)
_LIMITS_OF_FETCHING: Final = frozenset({"failed_logins", "sessions_per_account"})
_LIMITS: Final = {
    "pop3": _LIMITS_OF_FETCHING,
    "imap": _LIMITS_OF_FETCHING | {"message_size", "header_size"},
    **dict.fromkeys(("acme", "mta-sts", "metrics"), frozenset[str]()),
}
"""The same for limits; those that mean something everywhere are in none."""
_OF_COMMANDS: Final = ("errors", "errors_before_delay", "idle")
"""Limits that mean something wherever commands are given."""


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
        failed_logins: of a POP3 or IMAP session, before the connection is closed.
        sessions_per_account: POP3 or IMAP sessions at once.
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
    failed_logins: Count | None = None
    sessions_per_account: Count | None = None


class LimitsTable(Table):
    """[limits]: as `SessionLimits`, for all listeners.

    Attributes:
        connections: at once, on all listeners together.
        memory: octets that the process may hold before listeners with plugins take no mail; None: half of what it
            may have.
        recipients: None: what the role says.
        connections_per_client: None: what the role says.
    """

    connections: Count = 2000
    memory: Bytes | None = None
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
        vrfy: who is told by VRFY whether an address of a hosted domain
            exists: nobody, which is usual (252 for all), logins, or everybody.
        login_delay: least seconds between two logins of an account by POP3 (RFC 2449 section 6.5).
        exclusive: a POP3 session has the maildrop for itself (RFC 1939 section 4).
        plugins: names of plugins that are asked here, in this order.
        trusted: networks that may connect, of content filters where mail comes back from these, or of who reads
            metrics; none: loopback.
        limits: what differs from [limits] here.
    """

    endpoint: Annotated[Endpoints, Field(min_length=1)]
    role: RoleName
    tls: Literal["starttls", "implicit"] = "starttls"
    plaintext_login: Networks = ()
    strict: bool = False
    hide_client: bool = False
    vrfy: Literal["never", "login", "always"] = "never"
    login_delay: Wait | None = None
    exclusive: bool = False
    plugins: Annotated[tuple[str, ...], BeforeValidator(sequence)] = ()
    trusted: NarrowNetworks = ()
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
        if self.tls == "implicit" and not self.preset.may_begin_with_tls:
            raise ValueError(f'tls = "implicit" has no meaning on a listener of role {self.role}')
        if self.preset.hands_out_policies and self.tls != "implicit":
            raise ValueError('tls must be "implicit" on a listener of role mta-sts: policies are fetched by HTTPS')
        if self.preset.lmtp and any(parse_endpoint(text).arguments.get("port") == "25" for text in self.endpoint):
            raise ValueError("LMTP must not be spoken on port 25 (RFC 2033 section 5): any other will do")
        self._refuse_what_means_nothing()
        self._keep_strangers_out()
        return self

    def _keep_strangers_out(self) -> None:
        """Refuse what would let anybody send anything to anybody, or read the site's numbers."""
        if not self.preset.is_private:
            if self.trusted:
                raise ValueError(f"trusted has no meaning on a listener of role {self.role}")
        elif not self.trusted and not all(parse_endpoint(text).is_private for text in self.endpoint):
            taken = "what the server has counted is told" if self.preset.tells_metrics else "mail for anybody is taken"
            what = f"{taken} there: bind it to loopback (interface=127.0.0.1) or a unix socket"
            raise ValueError(f"{what}, or say in trusted who may connect")

    def _refuse_what_means_nothing(self) -> None:
        keys, limits = _KEYS.get(self.role, _OF_INCOMING), _LIMITS.get(self.role, _LIMITS_OF_INCOMING)
        for key in sorted((_OF_INCOMING | _OF_POP3) - keys):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} has no meaning on a listener of role {self.role}")
        for key in sorted((_LIMITS_OF_INCOMING | _LIMITS_OF_FETCHING) - limits):
            if getattr(self.limits, key) is not None:
                raise ValueError(f"limits.{key} has no meaning on a listener of role {self.role}")
        for key in _OF_COMMANDS if self.preset.speaks_http else ():
            if getattr(self.limits, key) is not None:
                raise ValueError(f"limits.{key} has no meaning on a listener of role {self.role}")
        least = LEAST_AUTOLOGOUT.get(self.role, 0.0)
        if self.limits.idle is not None and self.limits.idle < least:
            where = f"where {self.role.upper()} is spoken ({_AUTOLOGOUT_SOURCE[self.role]})"
            raise ValueError(f"limits.idle must be {least / 60:.0f} minutes or more {where}")
