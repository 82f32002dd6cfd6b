"""What a session has come to: its state, what it may do, and the maildrop it looks at."""

from __future__ import annotations

from dataclasses import dataclass

from twistedmail_mta.pop3.drop import Drop
from twistedmail_mta.pop3.languages import DEFAULT, Language


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What is the same for all sessions of a listener.

    Attributes:
        hostname: our name in the greeting.
        login_delay: least seconds between two logins of an account, announced; 0 without.
        implementation: our name for the capability, without a version.
        version: ours, told to those who have logged in.
    """

    hostname: str
    login_delay: int = 0
    implementation: str = "twistedmail_mta"
    version: str = ""


@dataclass(slots=True)
class Standing:
    """The state of one session; STLS makes it forget all but `settings`.

    Attributes:
        mechanisms: the SASL mechanisms that may be used now; with none nobody can log in.
        tls_available: STLS may be used, encrypted sessions aside.
        tls_active: the connection is encrypted.
        name: what USER said, if it was the last command.
        utf8: the client takes messages with UTF-8 in their headers (RFC 6856 section 2.1).
        language: in which texts are said.
        drop: the maildrop, in the TRANSACTION state; None in AUTHORIZATION.
    """

    settings: SessionSettings
    mechanisms: tuple[str, ...] = ()
    tls_available: bool = False
    tls_active: bool = False
    name: str | None = None
    utf8: bool = False
    language: Language = DEFAULT
    drop: Drop | None = None

    def forget(self) -> None:
        """Drop what was said in clear (RFC 2595 section 4)."""
        self.mechanisms = ()
        self.name = None
        self.utf8 = False
        self.language = DEFAULT


def capabilities(standing: Standing) -> list[str]:
    """Return what CAPA lists now (RFC 2449 section 5)."""
    settings = standing.settings
    listed = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
    if settings.login_delay:
        listed.append(f"LOGIN-DELAY {settings.login_delay}")
    if standing.drop is None and standing.tls_available and not standing.tls_active:
        listed.append("STLS")
    if standing.mechanisms:
        listed += ["USER", " ".join(("SASL", *standing.mechanisms))]
    listed += ["UTF8 USER", "LANG"]
    version = f"-{settings.version}" if settings.version and standing.drop is not None else ""
    listed.append(f"IMPLEMENTATION {settings.implementation}{version}")
    return listed
