"""What a listener's role decides, so that none is an open relay by omission (PURE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

RoleName = Literal["mx", "submission", "lmtp", "reinject", "pop3", "imap", "acme", "mta-sts", "metrics"]


@dataclass(frozen=True, slots=True)
class Role:
    """The preset of a listener.

    Attributes:
        name: as the site file says it.
        offers_auth: people may log in, once TLS is on.
        requires_login: MAIL is refused before AUTH (RFC 6409 section 4.3).
        requires_tls: AUTH, and so MAIL, is refused in clear (RFC 8314 section 3.3).
        completes: missing From, Date and Message-ID are added and Bcc is
            removed (RFC 6409 section 8).
        recipients: most recipients of a message, where the site file doesn't say.
        connections_per_client: most connections of one client network, likewise.
        relays: mail for domains elsewhere is taken, too, where others may send it.
        lmtp: LMTP is spoken (RFC 2033), not SMTP.
        fetches: people fetch their mail there, and none is taken.
        takes_back: a content filter gives mail back there, for whomever it is; nobody else can connect.
        answers_authority: challenges of the authority that issues certificates are answered there, and nothing else.
        hands_out_policies: what domains say of their MX hosts is handed out there, by HTTPS; challenges are
            answered in handshakes, too, and nothing else is.
        tells_metrics: Prometheus reads there what the server has counted, and nobody else can connect.
    """

    name: RoleName
    offers_auth: bool = False
    requires_login: bool = False
    requires_tls: bool = False
    completes: bool = False
    recipients: int = 0
    connections_per_client: int = 20
    relays: bool = False
    lmtp: bool = False
    fetches: bool = False
    takes_back: bool = False
    answers_authority: bool = False
    hands_out_policies: bool = False
    tells_metrics: bool = False

    @property
    def speaks_http(self) -> bool:
        """No mail is taken there, and none fetched."""
        return self.answers_authority or self.hands_out_policies or self.tells_metrics

    @property
    def may_begin_with_tls(self) -> bool:
        """TLS from the first octet makes sense there."""
        return self.requires_tls or self.answers_authority or self.tells_metrics

    @property
    def is_private(self) -> bool:
        """Only this host may connect there, and whom the site file trusts."""
        return self.takes_back or self.tells_metrics


MX: Final = Role(
    name="mx",
    relays=True,
    recipients=100,
)

SUBMISSION: Final = Role(
    name="submission",
    relays=True,
    offers_auth=True,
    requires_login=True,
    requires_tls=True,
    completes=True,
    recipients=1000,
    connections_per_client=200,
)

LMTP: Final = Role(
    name="lmtp",
    recipients=1000,
    connections_per_client=200,
    lmtp=True,
)

REINJECT: Final = Role(
    name="reinject",
    relays=True,
    recipients=1000,
    connections_per_client=200,
    takes_back=True,
)

POP3: Final = Role(
    name="pop3",
    offers_auth=True,
    requires_login=True,
    requires_tls=True,
    connections_per_client=50,
    fetches=True,
)

IMAP: Final = Role(
    name="imap",
    offers_auth=True,
    requires_login=True,
    requires_tls=True,
    connections_per_client=200,
    fetches=True,
)

ACME: Final = Role(
    name="acme",
    answers_authority=True,
)

MTA_STS: Final = Role(
    name="mta-sts",
    requires_tls=True,
    hands_out_policies=True,
)

METRICS: Final = Role(
    name="metrics",
    tells_metrics=True,
)

ROLES: Final[dict[str, Role]] = {
    role.name: role for role in (MX, SUBMISSION, LMTP, REINJECT, POP3, IMAP, ACME, MTA_STS, METRICS)
}
