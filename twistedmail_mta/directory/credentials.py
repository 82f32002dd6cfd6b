"""What a login consists of, and why one failed, in `twisted.cred`'s terms."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.cred.credentials import ICredentials
from twisted.cred.error import UnauthorizedLogin
from zope.interface import Attribute, implementer


class IPeerPassword(ICredentials):
    """A name and a password, and who sent them; `IUsernamePassword` doesn't know that."""

    authcid = Attribute("the name given")
    authzid = Attribute("whom to act for; empty for oneself")
    password = Attribute("octets, in UTF-8")
    peer = Attribute("the client's address")
    protocol = Attribute('"smtp", "pop3" or "imap"')
    tls = Attribute("whether the connection is encrypted")
    session = Attribute("names the session in the log; may be empty")


@implementer(IPeerPassword)
@dataclass(frozen=True, slots=True)
class PeerPassword:
    """One attempt to log in with a password; never shown with it."""

    authcid: str
    authzid: str
    password: bytes = field(repr=False)
    peer: str
    protocol: str
    tls: bool
    session: str = ""


class LoginRefused(UnauthorizedLogin):
    """A login that failed.

    Attributes:
        reason: why, for the operator alone: "malformed", "password", "unknown",
            "disabled", "protocol", "authzid" or "changed".
        name: the account it was for; None when none can have the name given.
    """

    def __init__(self, reason: str, name: str | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name
