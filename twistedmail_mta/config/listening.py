"""The tables about mail that arrives: [limits] and [listen]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.roles import ROLES, Role, RoleName
from twistedmail_mta.config.values import Bytes, Count, Endpoints, Networks, Table, Wait


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
        if self.preset.lmtp and any(parse_endpoint(text).arguments.get("port") == "25" for text in self.endpoint):
            raise ValueError("LMTP must not be spoken on port 25 (RFC 2033 section 5): any other will do")
        return self
